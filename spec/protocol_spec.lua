--- lua/moonwire/script/protocol.lua and hooks.lua: what declarations are accepted, and how others are refused.
local Hooks = require "moonwire.script.hooks"
local Protocol = require "moonwire.script.protocol"

local WHERE = "protocols/x.lua:3"

local function rule(resource)
  return { object = 3303, resources = { [5700] = resource } }
end

local MEASUREMENT = { type = "c8y_Temperature", series = "c8y_Temperature.T", unit = "Cel" }
local ALARM = { type = "c8y_HighTemperature", severity = "MAJOR", text = "Too warm" }

local function with(t, changes)
  local out = {}
  for key, value in pairs(t) do
    out[key] = value
  end
  for key, value in pairs(changes) do
    out[key] = value
  end
  return out
end

describe("protocol { }", function()
  it("accepts the example of the documentation", function()
    local when = function(v)
      return v > 60
    end
    local d = Protocol.declare(rule {
      observe = { pmin = 10, pmax = 300 },
      measurement = MEASUREMENT,
      event = { type = "acme_Seen", text = "Seen" },
      alarm = with(ALARM, { when = when }),
      ignore_empty = true,
    }, WHERE)
    assert.equal("protocol", d.kind)
    assert.equal(3303, d.object)
    local r = d.resources[5700]
    assert.is_true(r.observe)
    assert.equal("pmin=10&pmax=300", r.attributes)
    assert.same(MEASUREMENT, r.measurement)
    assert.same({ type = "acme_Seen", text = "Seen" }, r.event)
    assert.same({ type = ALARM.type, text = ALARM.text, severity = 3, status = 1, when = when }, r.alarm)
    assert.is_true(r.ignore_empty)
  end)

  it("turns attributes into a query", function()
    local function attributes(observe)
      return Protocol.declare(rule { observe = observe, measurement = MEASUREMENT }, WHERE).resources[5700].attributes
    end
    assert.is_nil(attributes(true))
    assert.is_nil(attributes {})
    assert.equal("pmin=10", attributes { pmin = 10 })
    assert.equal("pmin=0&pmax=60&gt=21.5&lt=-3&st=0.25", attributes { st = 0.25, lt = -3, gt = 21.5, pmax = 60, pmin = 0 })
    assert.equal("gt=1000000000000", attributes { gt = 1e12 })
  end)

  it("defaults status to ACTIVE and ignore_empty to false", function()
    local r = Protocol.declare(rule { alarm = ALARM }, WHERE).resources[5700]
    assert.equal(1, r.alarm.status)
    assert.is_false(r.ignore_empty)
    assert.is_false(r.observe)
  end)

  -- declaration, what the message must contain
  local refused = {
    { 5, "protocol must be a table, not 5" },
    { { resources = {} }, "object is missing" },
    { { object = "3303", resources = {} }, 'object must be a number, not "3303"' },
    { { object = 65535, resources = {} }, "object must be a whole number from 0 to 65534, not 65535" },
    { { object = 3303.5, resources = {} }, "whole number" },
    { { object = 3303 }, "resources is missing" },
    { { object = 3303, resources = {} }, "resources is empty" },
    { { object = 3303, resources = { abc = {} } }, 'resources["abc"]: resources are listed by number' },
    { { object = 3303, resources = { [-1] = {} } }, "resources[-1]" },
    { { object = 3303, resource = {} }, 'unknown key "resource" (did you mean resources?)' },
    { { object = 3303, resources = { [1] = 7 } }, "resources[1] must be a table, not 7" },
    { rule {}, "resources[5700] does nothing" },
    { rule { observe = true }, "resources[5700] is observed, but nothing is done with its values" },
    { rule { observe = "yes", measurement = MEASUREMENT }, 'resources[5700].observe must be a table, not "yes"' },
    { rule { observe = { pmn = 1 }, measurement = MEASUREMENT },
      'unknown key "pmn" in resources[5700].observe (did you mean pmin?)' },
    { rule { observe = { pmin = -1 }, measurement = MEASUREMENT }, "resources[5700].observe.pmin must be a whole number" },
    { rule { observe = { pmin = 20, pmax = 10 }, measurement = MEASUREMENT }, "pmax (10) must not be below pmin (20)" },
    { rule { observe = { gt = 0 / 0 }, measurement = MEASUREMENT }, "observe.gt must be a number" },
    { rule { mesurement = MEASUREMENT }, 'unknown key "mesurement" in resources[5700] (did you mean measurement?)' },
    { rule { measurement = { type = "x" } }, "resources[5700].measurement.series is missing" },
    { rule { measurement = { type = "x", series = "T" } }, 'must be written "fragment.series"' },
    { rule { measurement = { type = "x", series = "a.b.c" } }, 'must be written "fragment.series"' },
    { rule { measurement = { type = "", series = "a.b" } }, "resources[5700].measurement.type is empty" },
    { rule { measurement = with(MEASUREMENT, { unit = 5 }) }, "resources[5700].measurement.unit must be a string, not 5" },
    { rule { measurement = with(MEASUREMENT, { units = "Cel" }) }, 'did you mean unit?' },
    { rule { event = { type = "x" } }, "resources[5700].event.text is missing" },
    { rule { event = { type = "x", text = ("x"):rep(1001) } }, "1001 bytes; 1000 are allowed" },
    { rule { alarm = with(ALARM, { severity = "HIGH" }) },
      'severity must be one of WARNING, MINOR, MAJOR, CRITICAL, not "HIGH"' },
    { rule { alarm = { type = "x", text = "y" } }, "severity is missing" },
    { rule { alarm = with(ALARM, { status = "OPEN" }) }, "status must be one of ACTIVE, ACKNOWLEDGED, CLEARED" },
    { rule { alarm = with(ALARM, { when = 60 }) }, "resources[5700].alarm.when must be a function, not 60" },
    { rule { measurement = MEASUREMENT, ignore_empty = "yes" }, "ignore_empty must be a boolean" },
    { rule { measurement = MEASUREMENT, validate = {} }, 'unknown key "validate"' },
    { { object = 1, resources = { [1] = { event = { type = "x", text = "y" } } }, selftest = 1 },
      "selftest must be a function" },
  }
  for _, case in ipairs(refused) do
    it("refuses: " .. case[2], function()
      local ok, message = pcall(Protocol.declare, case[1], WHERE)
      assert.is_false(ok)
      assert.equal(WHERE .. ": ", message:sub(1, #WHERE + 2))
      assert.truthy(message:find(case[2], 1, true), message)
    end)
  end

  it("plans one rule for each resource", function()
    local d = Protocol.declare({
      object = 1,
      resources = { [2] = { event = { type = "a", text = "b" } }, [3] = { measurement = MEASUREMENT, observe = true } },
    }, WHERE)
    local rules = {}
    Protocol.plan(rules, d, 5)
    table.sort(rules, function(a, b)
      return a.rid < b.rid
    end)
    assert.equal(2, #rules)
    assert.equal(1, rules[1].oid)
    assert.equal(2, rules[1].rid)
    assert.equal(5, rules[1].slot)
    assert.is_true(rules[2].observe)
  end)
end)

describe("hooks { }", function()
  local function f() end

  it("accepts every name", function()
    local declaration = {}
    for _, name in ipairs(Hooks.NAMES) do
      declaration[name] = f
    end
    local d = Hooks.declare(declaration, "hooks/x.lua:1")
    assert.equal("hooks", d.kind)
    local lists = {}
    Hooks.plan(lists, d, 9)
    for _, name in ipairs(Hooks.NAMES) do
      assert.same({ { slot = 9, fn = f } }, lists[name])
    end
  end)

  local refused = {
    { "x", "hooks must be a table" },
    { {}, "no hook is declared" },
    { { ["device.registerd"] = f }, 'unknown key "device.registerd" (did you mean device.registered?)' },
    { { ["value.received"] = 5 }, '["value.received"] must be a function, not 5' },
    { { f }, "unknown key 1; known are device.registered" },
  }
  for _, case in ipairs(refused) do
    it("refuses: " .. case[2], function()
      local ok, message = pcall(Hooks.declare, case[1], "hooks/x.lua:1")
      assert.is_false(ok)
      assert.truthy(message:find("hooks/x.lua:1: ", 1, true), message)
      assert.truthy(message:find(case[2], 1, true), message)
    end)
  end
end)
