--- JSON text from Lua values. Integers keep all 64 bits, which is why this is not left to a library that goes through
--- doubles. Encoding only: what comes in from outside is parsed elsewhere. Pure, no I/O.
local Json = {}

--- Stands for JSON's null, since nil cannot stay in a table.
Json.null = setmetatable({}, { __tostring = function() return "null" end })

--- Marks a table as an array, so that an empty one becomes [] and not {}.
---@param list table
---@return table list  the same table
function Json.array(list)
  return setmetatable(list, { __json_array = true })
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
local MAX_DEPTH = 64

local function quote(text)
  if not utf8.len(text) then -- bytes that are no text, e.g. an opaque value
    text = "hex:" .. text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  end
  return '"' .. text:gsub('[%c"\\\127]', function(c) return ESCAPES[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function number(n)
  if math.type(n) == "integer" then return ("%d"):format(n) end
  if n ~= n or n == math.huge or n == -math.huge then return "null" end -- JSON has no word for them
  local short = ("%.15g"):format(n)
  if tonumber(short) ~= n then short = ("%.17g"):format(n) end
  return short
end

local function is_array(t)
  local meta = getmetatable(t)
  return (meta and meta.__json_array) or #t > 0
end

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = tostring(k) end
  table.sort(keys)
  return keys
end

local encode

local function encode_table(t, depth)
  if depth > MAX_DEPTH then error("table is nested deeper than " .. MAX_DEPTH, 0) end
  local parts = {}
  if is_array(t) then
    for i = 1, #t do parts[i] = encode(t[i], depth + 1) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for _, key in ipairs(sorted_keys(t)) do
    local value = t[key]
    if value == nil then value = t[math.tointeger(tonumber(key))] end
    parts[#parts + 1] = quote(key) .. ":" .. encode(value, depth + 1)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

function encode(value, depth)
  local kind = type(value)
  if value == Json.null or kind == "nil" then return "null" end
  if kind == "string" then return quote(value) end
  if kind == "number" then return number(value) end
  if kind == "boolean" then return tostring(value) end
  if kind == "table" then return encode_table(value, depth) end
  error("a " .. kind .. " has no form in JSON", 0)
end

--- The JSON text of a value. Keys are sorted, so that equal values give equal texts.
---@param value any    nil, boolean, number, string, or tables of them; no cycles
---@return string? text
---@return string? err
function Json.encode(value)
  local ok, text = pcall(encode, value, 0)
  if not ok then return nil, text end
  return text
end

return Json
