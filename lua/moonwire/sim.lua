--- Simulated LwM2M devices, on libcoap's client stack: for specs, demonstrations and load.
--- Codes are text ("2.01"); when no answer came they are the error's word ("ETIMEOUT", "ERESET", "EIO").
local core = require "moonwire.core"
local Coap = require "moonwire.sim.coap"
local Device = require "moonwire.sim.device"
local Tree = require "moonwire.sim.tree"

local csim = core.sim

local Sim = { coap = Coap }

local MAX_WAIT_MS = 1000 -- Sim.run looks at its condition at least so often

--- An Opaque value. @param bytes string
function Sim.opaque(bytes) return Tree.tag { type = "Opaque", value = bytes } end

--- An object link. @param oid integer @param iid integer
function Sim.objlnk(oid, iid) return Tree.tag { type = "Objlnk", value = { oid = oid, iid = iid } } end

--- A Time value. @param seconds integer Unix seconds
function Sim.time(seconds) return Tree.tag { type = "Time", value = seconds } end

--- An Unsigned Integer. @param n integer
function Sim.unsigned(n) return Tree.tag { type = "Unsigned Integer", value = n } end

--- An executable resource.
---@param f fun(dev: moonwire.sim.Device, args: string): string?  may give a code other than "2.04"
function Sim.exec(f) return Tree.tag { exec = f } end

--- A resource that answers with these bytes whatever was asked for.
---@param bytes string
---@param format integer?  Content-Format; nil = option absent
---@param code string?     "2.05" when nil
function Sim.raw(bytes, format, code) return Tree.tag { raw = bytes, format = format, code = code } end

local function parse_server(url)
  local host, port = url:match("^coap://([%w%.%-]+):?(%d*)$")
  if not host then error(("%q is no server like \"coap://127.0.0.1:5783\""):format(url), 3) end
  return host, tonumber(port) or 5683
end

local function copy_objects(objects)
  local out = {}
  for oid, instances in pairs(objects or {}) do
    out[oid] = {}
    for iid, resources in pairs(instances) do
      out[oid][iid] = {}
      for rid, v in pairs(resources) do out[oid][iid][rid] = v end
    end
  end
  return out
end

local function set_of(list)
  local out = {}
  for _, item in ipairs(list) do out[item] = true end
  return out
end

local function default_ct(version, formats)
  if version == "1.0" then return false end
  local out = {}
  for _, format in ipairs(formats) do
    if format >= 60 then out[#out + 1] = format end
  end
  return table.concat(out, " ")
end

--- Options of a device; only `endpoint` and `server` have no default.
---@class moonwire.sim.Options
---@field endpoint string|false     false leaves `ep` out of the registration
---@field server string             "coap://127.0.0.1:5783"; an IPv4 address
---@field lifetime? integer         seconds, 300
---@field version? string           "1.1"
---@field binding? string           "U"; false leaves it out
---@field queue? boolean            queue mode: `Q`, with version 1.0 a Q in the binding
---@field sms? string               MSISDN
---@field extra? string[]           more query parameters of Register, {"vendor=x"}
---@field objects? table            [oid][iid][rid] = value. A value is a string, integer, float, boolean, one of
---   Sim.opaque, .objlnk, .time, .unsigned, .exec, .raw, a table [riid] = value (multiple resource), or a
---   function(dev, now_s) that gives one each time it is read. The tables are copied.
---@field types? table<string, string>   "3303/5700" -> "Float", where the Lua value does not say it
---@field access? table<string, string>  "3303/5700" -> "R": writes to it get 4.05
---@field versions? table<integer, string>  object versions to announce, [3] = "1.1"
---@field alternate? string         alternate path, "/lwm2m"
---@field ct? string|false          `ct` of the root link ("" = none); false leaves the root link out (1.0's default)
---@field formats? integer[]        Content-Formats it speaks: { 0, 42, 60, 112, 11542 }
---@field default_format? integer   of answers when no Accept came
---@field notify? string            "con" (default) or "non"
---@field observe_start? integer    first Observe number, 1
---@field strict? boolean           a Write to a resource that is not there gets 4.04 instead of making it
---@field auto_update? boolean      Update at half of the lifetime
---@field clock? fun(): number      Unix seconds; os.time when absent
---@field on? table<string, function>  hooks: read(dev, path, accept), write(dev, path, nodes), execute(dev, path,
---   args), create(dev, path, nodes), delete(dev, path): called before the device acts; nil = go on, a code
---   ("5.03") or a reply ({ code=, format=, payload= }) = answer this. request(dev, request): as them, for every
---   request. registered(dev), state(dev, state), notified(dev, observation): just told.
---@field answer_mode? string       "piggyback" (default), "separate", "silent"
---@field ack_timeout_ms? integer   of libcoap, 2000 to 3000; it takes 1000 or more
---@field max_retransmit? integer   of libcoap, 4
---@field forgetful? boolean        run repeated requests again instead of repeating the answer
---@field bind? string              local address, "127.0.0.1"
---@field port? integer             local port, any
---@field trace? boolean            keep every datagram in dev.trace

--- Makes a device; nothing is sent yet.
---@param opts moonwire.sim.Options
---@return moonwire.sim.Device? dev
---@return string? err
function Sim.device(opts)
  local host, port = parse_server(opts.server)
  local formats = opts.formats or { 0, 42, 60, 112, 11542 }
  local version = opts.version or "1.1"
  local ct = opts.ct
  if ct == nil then ct = default_ct(version, formats) end
  local dev = setmetatable({
    endpoint = opts.endpoint, version = version, lifetime = opts.lifetime or 300,
    binding = opts.binding == nil and "U" or opts.binding, queue = opts.queue, sms = opts.sms,
    extra = opts.extra or {}, objects = copy_objects(opts.objects), types = opts.types or {},
    access = opts.access or {}, versions = opts.versions or {}, alternate = opts.alternate or "", ct = ct,
    formats = set_of(formats), default_format = opts.default_format, notify_type = opts.notify or "con",
    observe_start = opts.observe_start or 1, strict = opts.strict, auto_update = opts.auto_update,
    clock = opts.clock or os.time, on = opts.on or {}, answer_mode = opts.answer_mode or "piggyback",
    codec = { encode = csim.encode, decode = csim.decode, type_numbers = csim.type_numbers },
    state = "idle", attributes = {}, observations = {}, log = {}, trace = {}, waiting = {}, last_sent = 0,
  }, Device)
  local conn, err = csim.open {
    host = host, port = port, bind = opts.bind, bind_port = opts.port, ack_timeout_ms = opts.ack_timeout_ms,
    max_retransmit = opts.max_retransmit, forgetful = opts.forgetful,
    on_request = function(request) return dev:_on_request(request) end,
    on_response = function(id, message, word) dev:_on_response(id, message, word) end,
    on_refused = function(token, mid, word) dev:_on_refused(token, mid, word) end,
    on_datagram = opts.trace and function(what, bytes)
      dev.trace[#dev.trace + 1] = { what = what, bytes = bytes }
    end or nil,
  }
  if not conn then return nil, err end
  dev.conn = conn
  return dev
end

--- Steps every device of a list. @param devices moonwire.sim.Device[] @return integer n datagrams that passed
function Sim.step_all(devices)
  local n = 0
  for _, dev in ipairs(devices) do n = n + dev:step() end
  return n
end

--- A UDP socket on loopback: sock:send(host, port, bytes), sock:recv() -> bytes, host, port (or nil), sock:fd(),
--- sock:port(), sock:close(). Never waits.
---@param host? string
---@param port? integer  0 = any
function Sim.udp(host, port) return csim.udp(host, port) end

--- Waits until a descriptor is readable. @param fds integer[] @param timeout_ms integer @return integer n ready
function Sim.poll(fds, timeout_ms) return csim.poll(fds, timeout_ms) end

--- Runs a host and devices together until a condition holds.
---@param opts { host: table?, devices: table[]?, until_: fun(): any, timeout_ms: integer? }  each with fd(),
---   timeout_ms() and step(); timeout_ms: 5000
---@return any result   what until_ gave, or false after the timeout
---@return string? err
function Sim.run(opts)
  local all = { opts.host }
  for _, dev in ipairs(opts.devices or {}) do all[#all + 1] = dev end
  local limit = opts.timeout_ms or 5000
  local deadline = csim.now_ms() + limit
  while true do
    for _, item in ipairs(all) do item:step() end
    local result = opts.until_()
    if result then return result end
    local left = deadline - csim.now_ms()
    if left <= 0 then return false, ("nothing after %d ms"):format(limit) end
    local fds, wait = {}, math.min(left, MAX_WAIT_MS)
    for _, item in ipairs(all) do
      if item.state ~= "closed" then
        local ms = item:timeout_ms()
        if ms >= 0 then wait = math.min(wait, ms) end
        fds[#fds + 1] = item:fd()
      end
    end
    csim.poll(fds, wait)
  end
end

return Sim
