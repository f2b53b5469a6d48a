local Options = require "moonwire.cli.options"
local Suggest = require "moonwire.suggest"

local DECLARED = {
  { name = "store", value = "FILE", help = "" },
  { name = "limit", value = "N", type = "integer", help = "" },
  { name = "listen", value = "ADDRESS", list = true, help = "" },
  { name = "json", help = "" },
}

local function parse(...) return Options.parse(DECLARED, { "command", ... }, 2) end

describe("command line options", function()
  it("take values in both spellings", function()
    assert.same({ store = "a", limit = 5 }, (parse("--store", "a", "--limit=5")))
  end)

  it("collect lists in order", function()
    assert.same({ listen = { "a", "b" } }, (parse("--listen", "a", "--listen=b")))
  end)

  it("leave positional words, and everything behind --", function()
    assert.same({ "one", "--json", json = true }, (parse("one", "--json", "--", "--json")))
  end)

  local wrong = {
    { { "--stor", "a" }, "unknown option %-%-stor %(did you mean %-%-store%?%)" },
    { { "--store" }, "wants a value" },
    { { "--limit", "many" }, 'whole number, not "many"' },
    { { "--limit=-1" }, "whole number" },
    { { "--json=yes" }, "takes no value" },
    { { "-j" }, "written %-%-name" },
  }
  for _, case in ipairs(wrong) do
    it("refuse " .. table.concat(case[1], " "), function()
      local result, err = parse(table.unpack(case[1]))
      assert.is_nil(result)
      assert.matches(case[2], err)
    end)
  end
end)

describe("suggestions", function()
  it("name the nearest word only if it is near", function()
    assert.equal("measurements", Suggest.nearest("mesurements", { "devices", "measurements" }))
    assert.is_nil(Suggest.nearest("xyz", { "devices", "measurements" }))
    assert.is_nil(Suggest.nearest(("x"):rep(1000), { "x" }))
    assert.is_nil(Suggest.nearest(17, { "devices" }))
  end)

  it("count edits", function()
    assert.equal(0, Suggest.distance("abc", "abc"))
    assert.equal(3, Suggest.distance("", "abc"))
    assert.equal(1, Suggest.distance("abc", "acb"))
    assert.equal(2, Suggest.distance("pmin", "pmax"))
  end)

  it("end a sentence", function()
    assert.equal(" (did you mean listen?)", Suggest.hint("listne", { "listen" }))
    assert.equal("", Suggest.hint("colour", { "listen" }))
  end)
end)
