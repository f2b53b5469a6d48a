--- Checks of tables that operators write. Each raises a sentence that says where, what and what would be right.
local Suggest = require "moonwire.suggest"

---@class Shape
---@field where string  "protocols/temperature.lua:3", put before every message
local Shape = {}
Shape.__index = Shape

local DEPTH_MAX = 8
local ENTRIES_MAX = 20000

---@param where string
---@return Shape
function Shape.new(where)
  return setmetatable({ where = where }, Shape)
end

function Shape:fail(message, ...)
  error(self.where .. ": " .. message:format(...), 0)
end

--- How a value is named in a message.
---@param v any
---@return string
function Shape.show(v)
  if type(v) == "string" then return ("%q"):format(#v > 40 and v:sub(1, 40) .. "..." or v) end
  if type(v) == "number" or type(v) == "boolean" or v == nil then return tostring(v) end
  return "a " .. type(v)
end

local function copy_plain(self, v, what, depth, count)
  if type(v) ~= "table" then return v end
  if getmetatable(v) ~= nil then self:fail("%s has a metatable; write a plain table", what) end
  if depth > DEPTH_MAX then self:fail("%s is nested too deep", what) end
  local out = {}
  for key, value in next, v do
    count.n = count.n + 1
    if count.n > ENTRIES_MAX then self:fail("%s: a declaration may have %d entries", what, ENTRIES_MAX) end
    if type(key) == "table" then self:fail("%s: %s cannot be a key here", what, Shape.show(key)) end
    out[key] = copy_plain(self, value, ("%s[%s]"):format(#what > 80 and "..." or what, Shape.show(key)), depth + 1, count)
  end
  return out
end

--- A deep copy of what an operator wrote. Whatever is checked afterwards stays as it was checked, and no metatable has a
--- say in it.
---@param v any
---@param what string
function Shape:plain(v, what)
  return copy_plain(self, v, what, 1, { n = 0 })
end

---@param v any
---@param what string  "resources[5700].measurement"
---@param wanted string  Lua type
---@param example string  what would be right
function Shape:expect(v, what, wanted, example)
  if type(v) == wanted then return v end
  if v == nil then self:fail("%s is missing, write for example %s", what, example) end
  return self:fail("%s must be a %s, not %s, for example %s", what, wanted, Shape.show(v), example)
end

--- Every key of t must be one of `names`.
---@param t table
---@param what string  "" = the declaration itself
---@param names string[]
function Shape:keys(t, what, names)
  local known = {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  local unknown = {}
  for key in next, t do
    if not known[key] then unknown[#unknown + 1] = key end
  end
  if #unknown == 0 then return end
  table.sort(unknown, function(a, b)
    return Shape.show(a) < Shape.show(b)
  end)
  local hint = Suggest.hint(unknown[1], names)
  self:fail("unknown key %s%s%s", Shape.show(unknown[1]), what == "" and "" or " in " .. what,
    hint ~= "" and hint or "; known are " .. table.concat(names, ", "))
end

---@param v any
---@param what string
---@param max integer  bytes
---@param example string
---@return string
function Shape:text(v, what, max, example)
  self:expect(v, what, "string", example)
  if v == "" then self:fail("%s is empty, write for example %s", what, example) end
  if #v > max then self:fail("%s has %d bytes; %d are allowed", what, #v, max) end
  return v
end

---@param v any
---@param what string
---@param min number
---@param max number
---@param example string
---@return integer
function Shape:integer(v, what, min, max, example)
  self:expect(v, what, "number", example)
  local i = math.tointeger(v)
  if not i or i < min or i > max then
    self:fail("%s must be a whole number from %d to %d, not %s", what, min, max, Shape.show(v))
  end
  return i
end

--- One of a few words. Returns its number in the list.
---@param v any
---@param what string
---@param names string[]
---@return integer
function Shape:one_of(v, what, names)
  for i, name in ipairs(names) do
    if v == name then return i end
  end
  if v == nil then self:fail("%s is missing: one of %s", what, table.concat(names, ", ")) end
  return self:fail("%s must be one of %s, not %s", what, table.concat(names, ", "), Shape.show(v))
end

return Shape
