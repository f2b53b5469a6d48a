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

  -- what it is, text, what the message says
  for _, case in ipairs {
    { "an endless loop", "while true do end", "f:1: this is a program" },
    { "a bomb", "local s = 'x' while true do s = s .. s end", "f:1: this is a program" },
    { "a method of strings", "return { store = ('x'):rep(1e9) }", "f:1: attempt to index a string value" },
    { "a NUL byte", "return { store = 'a\\0b' }", "f:1: store contains a NUL byte" },
    { "an empty list", "return { listen = {} }", "listen is an empty list" },
    { "a gap", "return { listen = { 'a', 'b', nil, 'c' } }", "listen has a gap: entry 3 is missing" },
    { "too many addresses", "return { listen = { '1', '2', '3', '4', '5', '6', '7', '8', '9' } }",
      "listen has 9 entries; 8 are allowed" },
  } do
    it("refuses " .. case[1], function()
      local config, err = Config.load("f", case[2])
      assert.is_nil(config)
      assert.truthy(err:find(case[3], 1, true), err)
      assert.equal("xx", ("x"):rep(2))
    end)
  end

  it("refuses a folder, and what is too long", function()
    local config, err = Config.load(".")
    assert.is_nil(config)
    assert.truthy(err:find("cannot read the configuration: .: ", 1, true), err)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write((" "):rep(1024 * 1024 + 1))
    file:close()
    config, err = Config.load(path)
    os.remove(path)
    assert.is_nil(config)
    assert.truthy(err:find("a configuration may have 1048576 bytes", 1, true), err)
  end)
end)
