--- `protocol { ... }`: what happens to the values of one object. Checks the declaration and turns it into the rules
--- that C walks for every value (src/script/plan.h).
---
---     protocol {
---       object = 3303,
---       resources = {
---         [5700] = {
---           observe = true or { pmin = 10, pmax = 300, gt =, lt =, st = },   -- started when a device registers
---           measurement = { type =, series = "fragment.series", unit = },
---           event = { type =, text = },
---           alarm = { type =, severity =, text =, status =, when = function(v) return v > 60 end },
---           ignore_empty = true,                                             -- an empty value does nothing
---         },
---       },
---     }
local Shape = require "moonwire.script.shape"

local Protocol = {}

local MAX_ID = 65534 -- 65535 (MAX_ID) is reserved by LwM2M Core
local MAX_TEXT = 1000
local MAX_TYPE = 255
local MAX_SECONDS = 2 ^ 31 - 1
local SEVERITIES = { "WARNING", "MINOR", "MAJOR", "CRITICAL" } -- enum mw_severity, from 1
local STATES = { "ACTIVE", "ACKNOWLEDGED", "CLEARED" } -- enum mw_alarm_status, from 1

local RESOURCE_KEYS = { "observe", "measurement", "event", "alarm", "ignore_empty" }
local ATTRIBUTES = { "pmin", "pmax", "gt", "lt", "st" } -- LwM2M Core, "Attributes"

--- A number as it goes into a query: no exponent, no needless digits.
local function plain(v)
  local i = math.tointeger(v)
  if i then return ("%d"):format(i) end
  return (("%.9f"):format(v):gsub("0+$", ""):gsub("%.$", ""))
end

local function read_observe(shape, v, what)
  if v == nil or v == false then return false end
  if v == true then return true end
  shape:expect(v, what, "table", "true or { pmin = 10, pmax = 300 }")
  shape:keys(v, what, ATTRIBUTES)
  local parts = {}
  for _, key in ipairs(ATTRIBUTES) do
    local value = v[key]
    if value ~= nil then
      local name = what .. "." .. key
      if key == "pmin" or key == "pmax" then
        value = shape:integer(value, name, 0, MAX_SECONDS, "10")
      else
        shape:expect(value, name, "number", "0.5")
        if value ~= value or math.abs(value) > 1e15 then shape:fail("%s must be a number up to 1e15", name) end
      end
      parts[#parts + 1] = key .. "=" .. plain(value)
    end
  end
  if v.pmin and v.pmax and v.pmax > 0 and v.pmax < v.pmin then
    shape:fail("%s: pmax (%s) must not be below pmin (%s)", what, plain(v.pmax), plain(v.pmin))
  end
  return true, #parts > 0 and table.concat(parts, "&") or nil
end

local function read_measurement(shape, v, what)
  if v == nil then return nil end
  shape:expect(v, what, "table", '{ type = "c8y_Temperature", series = "c8y_Temperature.T", unit = "Cel" }')
  shape:keys(v, what, { "type", "series", "unit" })
  local series = shape:text(v.series, what .. ".series", MAX_TYPE, '"c8y_Temperature.T"')
  if not series:find("^[^%s.]+%.[^%s.]+$") then
    shape:fail('%s.series must be written "fragment.series", for example "c8y_Temperature.T", not %s', what,
      Shape.show(series))
  end
  return {
    type = shape:text(v.type, what .. ".type", MAX_TYPE, '"c8y_Temperature"'),
    series = series,
    unit = v.unit ~= nil and shape:text(v.unit, what .. ".unit", MAX_TYPE, '"Cel"') or nil,
  }
end

local function read_event(shape, v, what)
  if v == nil then return nil end
  shape:expect(v, what, "table", '{ type = "acme_DoorOpened", text = "Door opened" }')
  shape:keys(v, what, { "type", "text" })
  return {
    type = shape:text(v.type, what .. ".type", MAX_TYPE, '"acme_DoorOpened"'),
    text = shape:text(v.text, what .. ".text", MAX_TEXT, '"Door opened"'),
  }
end

local function read_alarm(shape, v, what)
  if v == nil then return nil end
  shape:expect(v, what, "table", '{ type = "c8y_HighTemperature", severity = "MAJOR", text = "Too warm" }')
  shape:keys(v, what, { "type", "severity", "status", "text", "when" })
  if v.when ~= nil then shape:expect(v.when, what .. ".when", "function", "function(v) return v > 60 end") end
  return {
    type = shape:text(v.type, what .. ".type", MAX_TYPE, '"c8y_HighTemperature"'),
    text = shape:text(v.text, what .. ".text", MAX_TEXT, '"Too warm"'),
    severity = shape:one_of(v.severity, what .. ".severity", SEVERITIES),
    status = v.status == nil and 1 or shape:one_of(v.status, what .. ".status", STATES),
    when = v.when,
  }
end

local function read_resource(shape, v, what)
  shape:expect(v, what, "table", "{ measurement = { ... } }")
  shape:keys(v, what, RESOURCE_KEYS)
  if v.ignore_empty ~= nil then shape:expect(v.ignore_empty, what .. ".ignore_empty", "boolean", "true") end
  local observe, attributes = read_observe(shape, v.observe, what .. ".observe")
  local rule = {
    observe = observe,
    attributes = attributes,
    measurement = read_measurement(shape, v.measurement, what .. ".measurement"),
    event = read_event(shape, v.event, what .. ".event"),
    alarm = read_alarm(shape, v.alarm, what .. ".alarm"),
    ignore_empty = v.ignore_empty or false,
  }
  if not (rule.measurement or rule.event or rule.alarm) then
    shape:fail(observe and "%s is observed, but nothing is done with its values: add measurement, event or alarm"
      or "%s does nothing: add measurement, event or alarm", what)
  end
  return rule
end

--- Checks a declaration; raises "where: reason".
---@param declaration table  as the operator wrote it; not changed
---@param where string       "protocols/temperature.lua:3"
---@return table             { kind = "protocol", object =, resources = { [rid] = rule }, selftest = }
function Protocol.declare(declaration, where)
  local shape = Shape.new(where)
  shape:expect(declaration, "protocol", "table", "protocol { object = 3303, resources = { ... } }")
  declaration = shape:plain(declaration, "protocol")
  shape:keys(declaration, "", { "object", "resources", "selftest" })
  local out = { kind = "protocol", where = where, resources = {} }
  out.object = shape:integer(declaration.object, "object", 0, MAX_ID, "object = 3303")
  shape:expect(declaration.resources, "resources", "table", "{ [5700] = { ... } }")
  for rid, resource in next, declaration.resources do
    local what = ("resources[%s]"):format(Shape.show(rid))
    if not math.tointeger(rid) then
      shape:fail("%s: resources are listed by number, for example [5700] = { ... }", what)
    end
    out.resources[shape:integer(rid, what, 0, MAX_ID, "5700")] = read_resource(shape, resource, what)
  end
  if next(out.resources) == nil then shape:fail("resources is empty") end
  if declaration.selftest ~= nil then
    out.selftest = shape:expect(declaration.selftest, "selftest", "function", "function(t) ... end")
  end
  return out
end

--- Appends the rules of a unit to the list for C.
---@param rules table[]
---@param declaration table  of Protocol.declare
---@param slot integer
function Protocol.plan(rules, declaration, slot)
  for rid, r in pairs(declaration.resources) do
    rules[#rules + 1] = {
      oid = declaration.object,
      rid = rid,
      slot = slot,
      observe = r.observe,
      attributes = r.attributes,
      measurement = r.measurement,
      event = r.event,
      alarm = r.alarm,
      ignore_empty = r.ignore_empty,
    }
  end
end

--- What a selftest may ask of a protocol, beside the comparisons.
---@param declaration table
---@return table<string, function>
function Protocol.test_api(declaration)
  return {
    --- Whether this value of resource `rid` raises the alarm.
    alarm = function(rid, value)
      local resource = declaration.resources[rid]
      if not (resource and resource.alarm) then error(("resource %s has no alarm"):format(tostring(rid)), 2) end
      return not resource.alarm.when or not not resource.alarm.when(value)
    end,
  }
end

return Protocol
