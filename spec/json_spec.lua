local Json = require "moonwire.json"

describe("moonwire.json", function()
  local cases = {
    { "nil", nil, "null" },
    { "null", Json.null, "null" },
    { "true", true, "true" },
    { "an integer beyond 2^53", 9007199254740993, "9007199254740993" },
    { "the largest integer", math.maxinteger, "9223372036854775807" },
    { "the smallest integer", math.mininteger, "-9223372036854775808" },
    { "a short float", 21.5, "21.5" },
    { "a float that needs 17 digits", 0.1 + 0.2, "0.30000000000000004" },
    { "an integral float", 3.0, "3" },
    { "infinity", math.huge, "null" },
    { "quotes and backslashes", 'a"b\\c', [["a\"b\\c"]] },
    { "control characters", "a\n\1\127", [["a\n\u0001\u007f"]] },
    { "UTF-8", "21 °C", '"21 °C"' },
    { "bytes that are no text", "\xff\x00", '"hex:ff00"' },
    { "an array", { 1, 2 }, "[1,2]" },
    { "an empty array", Json.array {}, "[]" },
    { "an empty object", {}, "{}" },
    { "an object, keys sorted", { b = 1, a = { c = true } }, '{"a":{"c":true},"b":1}' },
    { "integer keys with holes", { [5700] = 1.5 }, '{"5700":1.5}' },
  }
  for _, case in ipairs(cases) do
    it("encodes " .. case[1], function() assert.equal(case[3], (assert(Json.encode(case[2])))) end)
  end

  it("refuses what JSON has no form for", function()
    local text, err = Json.encode { f = print }
    assert.is_nil(text)
    assert.matches("function", err)
  end)

  it("refuses a cycle instead of hanging", function()
    local t = {}
    t.t = t
    local text, err = Json.encode(t)
    assert.is_nil(text)
    assert.matches("nested deeper", err)
  end)
end)
