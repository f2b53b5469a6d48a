local Config = require "moonwire.cli.config"

describe("the configuration file", function()
  it("gives what it returns, one address as a list", function()
    local config = assert(Config.load("f", 'return { listen = "127.0.0.1:0", max_devices = 10, lenient = true }'))
    assert.same({ listen = { "127.0.0.1:0" }, max_devices = 10, lenient = true }, config)
  end)

  local wrong = {
    { "an unknown key", "return {\n  store = 'x',\n  max_device = 1,\n}",
      "^f:3: unknown key max_device %(did you mean max_devices%?%)" },
    { "a wrong type", "return {\n  max_devices = '10' }", '^f:2: max_devices must be a whole number' },
    { "a negative number", "return { commit_ms = -1 }", "^f:1: commit_ms must be a whole number" },
    { "0, which would be the default", "return { lifetime_grace = 0 }", "^f:1: lifetime_grace must not be 0" },
    { "a float", "return { commit_ms = 5.0 }", "^f:1: commit_ms must be a whole number" },
    { "a bad level", "return { log_level = 'loud' }", "log_level must be error, warn, info, debug or trace" },
    { "a syntax error", "return {\n  store = \n}", "f:3:" },
    { "no table", "local x = 1", "must end with: return" },
    { "a list with something else in it", "return { listen = { 1 } }", "listen must be a string or a list of strings" },
    { "a call", "return { store = os.getenv 'HOME' }", "global 'os'" },
    { "bytecode", string.dump(function() return {} end), "attempt to load a binary chunk" },
  }
  for _, case in ipairs(wrong) do
    it("refuses " .. case[1], function()
      local config, err = Config.load("f", case[2])
      assert.is_nil(config)
      assert.matches(case[3], err)
    end)
  end

  it("tells all problems at once, in order", function()
    local _, err = Config.load("f", "return {\n  stroe = 1,\n  commit_rows = {},\n}")
    assert.matches("^f:2: .*\nf:3: ", err)
  end)

  it("says which file is missing", function()
    local config, err = Config.load("/nonexistent/moonwire.lua")
    assert.is_nil(config)
    assert.matches("/nonexistent/moonwire.lua", err, 1, true)
  end)
end)
