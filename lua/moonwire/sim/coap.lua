--- CoAP messages as bytes (RFC 7252), for specs that play a peer by hand. Pure, no I/O.
--- It shares no code with the host or with libcoap, so that each can be checked against the others.
local Coap = {}

local TYPES = { [0] = "CON", "NON", "ACK", "RST" }
local TYPE_NUMBERS = { CON = 0, NON = 1, ACK = 2, RST = 3 }
local METHODS = { GET = 1, POST = 2, PUT = 3, DELETE = 4, FETCH = 5, PATCH = 6, IPATCH = 7, EMPTY = 0 }

--- Option numbers (RFC 7252, 7641, 7959).
Coap.OPTION = {
  OBSERVE = 6, LOCATION_PATH = 8, URI_PATH = 11, CONTENT_FORMAT = 12, URI_QUERY = 15, ACCEPT = 17,
  LOCATION_QUERY = 20, BLOCK2 = 23, BLOCK1 = 27, SIZE2 = 28, SIZE1 = 60, ETAG = 4,
}
local OPTION = Coap.OPTION

---@class moonwire.sim.Message
---@field type string                "CON", "NON", "ACK" or "RST"
---@field code string                "2.05"; a request's is "0.01" to "0.07", the empty message's "0.00"
---@field mid integer
---@field token string
---@field options {[1]:integer, [2]:string}[]  number and bytes, in the order of the message
---@field payload string
---@field path string                Uri-Path as "/3303/0/5700"; "/" when absent
---@field query string[]             Uri-Query
---@field location string            Location-Path as "/rd/x"; "/" when absent
---@field format integer?            Content-Format
---@field accept integer?
---@field observe integer?

--- Number of a code: "2.05" -> 69, "GET" -> 1; an integer stays.
---@param code string|integer
---@return integer
function Coap.code_number(code)
  if math.type(code) == "integer" then return code end
  if METHODS[code] then return METHODS[code] end
  local class, detail = tostring(code):match("^(%d)%.(%d%d)$")
  if not class then error(("%q is no CoAP code like \"2.05\" or \"GET\""):format(code), 2) end
  return tonumber(class) << 5 | tonumber(detail)
end

--- Text of a code number: 69 -> "2.05".
---@param number integer
---@return string
function Coap.code_text(number)
  return ("%d.%02d"):format(number >> 5, number & 31)
end

--- Bytes of an unsigned number as options carry it: no leading zeros, 0 is the empty string.
---@param n integer
---@return string
function Coap.uint(n)
  local bytes = ""
  while n > 0 do bytes, n = string.char(n & 255) .. bytes, n >> 8 end
  return bytes
end

--- Inverse of uint.
---@param bytes string
---@return integer
function Coap.number(bytes)
  local n = 0
  for i = 1, #bytes do n = n << 8 | bytes:byte(i) end
  return n
end

--- Value of a Block1 or Block2 option (RFC 7959, section 2.2).
---@param num integer      block number
---@param more boolean
---@param size integer     16 to 1024, a power of two
---@return string
function Coap.block(num, more, size)
  local szx = 0
  while 16 << szx < size do szx = szx + 1 end
  return Coap.uint(num << 4 | (more and 8 or 0) | szx)
end

--- Inverse of block.
---@param bytes string
---@return integer num, boolean more, integer size
function Coap.unblock(bytes)
  local n = Coap.number(bytes)
  return n >> 4, n & 8 ~= 0, 16 << (n & 7)
end

--- Appends the segments of "/a/b" as options of one number.
---@param options table[]
---@param number integer
---@param path string
function Coap.add_path(options, number, path)
  for segment in path:gmatch("[^/]+") do options[#options + 1] = { number, segment } end
end

local function nibble(n)
  if n < 13 then return n, "" end
  if n < 269 then return 13, string.char(n - 13) end
  return 14, (">I2"):pack(n - 269)
end

local function encode_options(options)
  local sorted = {}
  for i, o in ipairs(options) do sorted[i] = { o[1], o[2], i } end
  table.sort(sorted, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[3] < b[3] end)
  local out, last = {}, 0
  for _, o in ipairs(sorted) do
    local delta, delta_more = nibble(o[1] - last)
    local len, len_more = nibble(#o[2])
    out[#out + 1] = string.char(delta << 4 | len) .. delta_more .. len_more .. o[2]
    last = o[1]
  end
  return table.concat(out)
end

local function all_options(m)
  local options = {}
  for i, o in ipairs(m.options or {}) do options[i] = o end
  Coap.add_path(options, OPTION.URI_PATH, m.path or "")
  Coap.add_path(options, OPTION.LOCATION_PATH, m.location or "")
  for _, q in ipairs(m.query or {}) do options[#options + 1] = { OPTION.URI_QUERY, q } end
  for name, number in pairs { format = OPTION.CONTENT_FORMAT, accept = OPTION.ACCEPT, observe = OPTION.OBSERVE } do
    if m[name] then options[#options + 1] = { number, Coap.uint(m[name]) } end
  end
  return options
end

--- Builds a message. All fields but `code` may be absent; the type is CON, the rest 0 or empty.
---@param m table  type, code (also "GET" ...), mid, token, options, path, query, location, format, accept, observe,
---                payload: as in moonwire.sim.Message
---@return string bytes
function Coap.build(m)
  local token = m.token or ""
  local head = (">BBI2"):pack(1 << 6 | TYPE_NUMBERS[m.type or "CON"] << 4 | #token, Coap.code_number(m.code), m.mid or 0)
  local payload = m.payload and m.payload ~= "" and "\xff" .. m.payload or ""
  return head .. token .. encode_options(all_options(m)) .. payload
end

local function read_length(bytes, at, n)
  if n < 13 then return n, at end
  if n == 13 then
    if at > #bytes then return nil, "option header is cut" end
    return bytes:byte(at) + 13, at + 1
  end
  if n == 14 then
    if at + 1 > #bytes then return nil, "option header is cut" end
    return (">I2"):unpack(bytes, at) + 269, at + 2
  end
  return nil, "option header has the reserved value 15"
end

local function decode_options(bytes, at, m)
  local number = 0
  while at <= #bytes do
    local byte = bytes:byte(at)
    if byte == 0xff then
      if at == #bytes then return nil, "payload marker without payload" end
      m.payload = bytes:sub(at + 1)
      return m
    end
    local delta, len
    delta, at = read_length(bytes, at + 1, byte >> 4)
    if not delta then return nil, at end
    len, at = read_length(bytes, at, byte & 15)
    if not len then return nil, at end
    if at + len - 1 > #bytes then return nil, "option value is cut" end
    number = number + delta
    m.options[#m.options + 1] = { number, bytes:sub(at, at + len - 1) }
    at = at + len
  end
  return m
end

--- All values of one option.
---@param m table      has `options`
---@param number integer
---@return string[]
function Coap.values(m, number)
  local out = {}
  for _, o in ipairs(m.options) do
    if o[1] == number then out[#out + 1] = o[2] end
  end
  return out
end

--- First value of an option as a number; nil when the option is absent.
---@param m table
---@param number integer
---@return integer?
function Coap.option_number(m, number)
  local value = Coap.values(m, number)[1]
  return value and Coap.number(value)
end

--- Parses a message.
---@param bytes string
---@return moonwire.sim.Message? message
---@return string? err  what is malformed
function Coap.parse(bytes)
  if #bytes < 4 then return nil, "shorter than a header" end
  local first, code, mid = (">BBI2"):unpack(bytes)
  local token_len = first & 15
  if first >> 6 ~= 1 then return nil, "version is not 1" end
  if token_len > 8 then return nil, "token length is over 8" end
  if #bytes < 4 + token_len then return nil, "token is cut" end
  local m, err = decode_options(bytes, 5 + token_len, {
    type = TYPES[first >> 4 & 3], code = Coap.code_text(code), mid = mid, token = bytes:sub(5, 4 + token_len),
    options = {}, payload = "",
  })
  if not m then return nil, err end
  m.path = "/" .. table.concat(Coap.values(m, OPTION.URI_PATH), "/")
  m.location = "/" .. table.concat(Coap.values(m, OPTION.LOCATION_PATH), "/")
  m.query = Coap.values(m, OPTION.URI_QUERY)
  m.format = Coap.option_number(m, OPTION.CONTENT_FORMAT)
  m.accept = Coap.option_number(m, OPTION.ACCEPT)
  m.observe = Coap.option_number(m, OPTION.OBSERVE)
  return m
end

return Coap
