--- One simulated device: its requests to the server, its notifications, its clock. Made by Sim.device; what it
--- answers to the server is in handler.lua.
local Coap = require "moonwire.sim.coap"
local Handler = require "moonwire.sim.handler"
local Tree = require "moonwire.sim.tree"

local LOG_MAX = 1000 -- entries kept in dev.log
local LINK, SENML_CBOR = 40, 112
local OPTION = Coap.OPTION

---@class moonwire.sim.Device
---@field endpoint string
---@field version string              "1.0", "1.1", "1.2"
---@field lifetime integer            seconds
---@field binding string
---@field objects table               [oid][iid][rid] = value; see Sim.device
---@field types table<string, string> "3303/5700" -> "Float"
---@field access table<string, string> "3303/5700" -> "R", "W" or "RW" (default)
---@field attributes table<string, table<string, string>> path -> what Write-Attributes stored
---@field observations table<string, table> by token: { token, path, ids, accept, seq, last, last_s }
---@field state string   "idle", "registering", "registered", "deregistering", "rejected" (an error code came),
---                      "failed" (no answer), "closed"
---@field location string?            "/rd/xyz"
---@field last_code string?           of the last answer to a request of the device
---@field error string?               last error raised in a function or hook
---@field log table[]                 { what = "read", path = "/3/0", ... }, oldest first
---@field trace table[]               { what = "in", bytes = "..." }, with `trace = true` only
---@field on table<string, function>  hooks; see Sim.device
---@field answer_mode string          "piggyback", "separate" or "silent" (an empty ACK and nothing more)
---@field wrong_format integer?       Content-Format that answers claim to have
---@field notify_type string          "con" or "non"
local Device = {}
Device.__index = Device

--- Unix seconds of the device's clock.
function Device:now() return self.clock() end

--- Adds to dev.log. @param entry table
function Device:note(entry)
  local log = self.log
  log[#log + 1] = entry
  if #log > 2 * LOG_MAX then
    self.log = table.move(log, #log - LOG_MAX + 1, #log, 1, {})
  end
end

local function keep_error(dev, err)
  dev.error = err
  dev:note { what = "error", err = err }
end

--- Calls f in protected mode; an error goes to dev.error and dev.log.
local function guard(dev, f, ...)
  local result = table.pack(xpcall(f, debug.traceback, ...))
  if result[1] then return table.unpack(result, 2, result.n) end
  keep_error(dev, result[2])
end

local function set_state(dev, state)
  if dev.state == state then return end
  dev.state = state
  if dev.on.state then guard(dev, dev.on.state, dev, state) end
end

--- Asks a hook; gives the reply that it wants, or nil. An error in it answers 5.00.
function Device:hook(name, ...)
  local f = self.on[name]
  if not f then return nil end
  local ok, answer = xpcall(f, debug.traceback, self, ...)
  if not ok then
    keep_error(self, answer)
    return { code = "5.00" }
  end
  if type(answer) == "string" then return { code = answer } end
  return answer
end

function Device:_on_request(request)
  local reply = self:hook("request", request)
  if not reply then
    local ok, result = xpcall(Handler.answer, debug.traceback, self, request)
    if not ok then keep_error(self, result) end
    reply = ok and result or { code = "5.00" }
  end
  return {
    code = Coap.code_number(reply.code), format = reply.format, payload = reply.payload, observe = reply.observe,
    location = reply.location, mode = reply.mode or self.answer_mode,
  }
end

function Device:_on_response(id, message, word)
  local done = self.waiting[id]
  self.waiting[id] = nil
  self.last_code = message and Coap.code_text(message.code) or word
  self.last_response = message
  self:note { what = "response", code = self.last_code }
  if done then guard(self, done, self.last_code, message) end
end

function Device:_on_refused(token, mid, word)
  local o = self.observations[token]
  for _, other in pairs(self.observations) do
    if not o and token == "" and other.mid == mid then o = other end
  end
  self:note { what = "refused", path = o and o.path, err = word }
  -- RFC 7641, section 4.5: a reset ends the observation, and so does a notification that nobody acknowledges.
  if o then self.observations[o.token] = nil end
end

--- Sends a request; done(code, message) comes from a later step.
---@param method string            "POST"
---@param path string
---@param fields? table            query, format, payload, options; `non` = true sends it non-confirmable
---@param done? fun(code: string, message: table?)
---@return integer? id
---@return string? err
function Device:request(method, path, fields, done)
  self:wake()
  fields = fields or {}
  local options = {}
  for i, o in ipairs(fields.options or {}) do options[i] = o end
  Coap.add_path(options, OPTION.URI_PATH, path)
  for _, q in ipairs(fields.query or {}) do options[#options + 1] = { OPTION.URI_QUERY, q } end
  if fields.format then options[#options + 1] = { OPTION.CONTENT_FORMAT, Coap.uint(fields.format) } end
  local id, err = self.conn:request(Coap.code_number(method), options, fields.payload, fields.non)
  if not id then return nil, err end
  self.waiting[id] = done
  return id
end

local function binding_of(dev)
  local b = dev.binding
  if b and dev.queue and dev.version == "1.0" and not b:find("Q", 1, true) then b = b .. "Q" end
  return b
end

local function register_query(dev)
  local q = {}
  local function add(name, value)
    if value then q[#q + 1] = name .. "=" .. tostring(value) end
  end
  add("ep", dev.endpoint)
  add("lt", dev.lifetime)
  add("lwm2m", dev.version)
  add("b", binding_of(dev))
  if dev.queue and dev.version ~= "1.0" then q[#q + 1] = "Q" end
  add("sms", dev.sms)
  for _, parameter in ipairs(dev.extra) do q[#q + 1] = parameter end
  return q
end

--- Calls back and keeps errors of the callback.
local function finish(dev, callback, code)
  if callback then guard(dev, callback, dev, code) end
end

local function outcome(code)
  return code:match("^%d%.") and "rejected" or "failed"
end

--- Registers. dev.state is "registered" after 2.01, "rejected" after another code, "failed" without an answer.
---@param callback? fun(dev: moonwire.sim.Device, code: string)
---@return integer? id
---@return string? err
function Device:register(callback)
  local id, err = self:request("POST", "/rd", {
    query = register_query(self), format = LINK, payload = Tree.links(self),
  }, function(code, message)
    if code == "2.01" then
      self.location = "/" .. table.concat(Coap.values(message, OPTION.LOCATION_PATH), "/")
      self.observations = {} -- a new registration starts without them
      self.last_sent = self:now()
      set_state(self, "registered")
      self:hook("registered")
    else
      set_state(self, outcome(code))
    end
    finish(self, callback, code)
  end)
  if id then set_state(self, "registering") end
  self:note { what = "register", err = err }
  return id, err
end

local function update_query(dev, changes)
  local q = {}
  if changes.lifetime then
    dev.lifetime = changes.lifetime
    q[#q + 1] = "lt=" .. changes.lifetime
  end
  if changes.binding then
    dev.binding = changes.binding
    q[#q + 1] = "b=" .. binding_of(dev)
  end
  if changes.sms then
    dev.sms = changes.sms
    q[#q + 1] = "sms=" .. changes.sms
  end
  for _, parameter in ipairs(changes.extra or {}) do q[#q + 1] = parameter end
  return q
end

--- Updates the registration; after 4.04 the device registers again by itself.
---@param changes? table   lifetime, binding, sms, extra (list), objects = true (send the object list)
---@param callback? fun(dev: moonwire.sim.Device, code: string)
---@return integer? id
---@return string? err
function Device:update(changes, callback)
  if not self.location then return nil, "not registered" end
  changes = changes or {}
  local fields = { query = update_query(self, changes) }
  if changes.objects then fields.format, fields.payload = LINK, Tree.links(self) end
  self.last_sent = self:now()
  self:note { what = "update" }
  return self:request("POST", self.location, fields, function(code)
    if code == "4.04" then
      self.location = nil
      set_state(self, "idle")
      self:register()
    end
    finish(self, callback, code)
  end)
end

--- Ends the registration.
---@param callback? fun(dev: moonwire.sim.Device, code: string)
---@return integer? id
---@return string? err
function Device:deregister(callback)
  if not self.location then return nil, "not registered" end
  self:note { what = "deregister" }
  local id, err = self:request("DELETE", self.location, nil, function(code)
    if code == "2.02" or code == "4.04" then
      self.location, self.observations = nil, {}
      set_state(self, "idle")
    else
      set_state(self, outcome(code))
    end
    finish(self, callback, code)
  end)
  if id then set_state(self, "deregistering") end
  return id, err
end

--- Sends values unasked (LwM2M 1.1 "Send"), as SenML CBOR.
---@param what string|table[]   a path, or a list of { path = "/3303/0/5700", value = 21.5, time = 1700000000 }
---@param callback? fun(dev: moonwire.sim.Device, code: string)
---@return integer? id
---@return string? err
function Device:send(what, callback)
  local nodes = {}
  for _, item in ipairs(type(what) == "string" and { { path = what } } or what) do
    local ids = assert(Tree.parse(item.path), "bad path")
    local there, code = Tree.read(self, ids)
    if not there then return nil, ("cannot read %s: %s"):format(item.path, code) end
    for _, n in ipairs(there) do
      if item.value ~= nil then n.value = item.value end
      n.time = item.time
      nodes[#nodes + 1] = n
    end
  end
  local payload, err = self.codec.encode(SENML_CBOR, "/", nodes)
  if not payload then return nil, err end
  return self:request("POST", "/dp", { format = SENML_CBOR, payload = payload }, function(code)
    finish(self, callback, code)
  end)
end

--- Sends one notification for an observation now.
---@param o table  of dev.observations
function Device:notify(o)
  local reply = guard(self, Handler.render, self, o.ids, o.accept) or { code = "5.00" }
  o.seq = (o.seq + 1) & 0xffffff
  o.last, o.last_s = reply.payload, self:now()
  local is_ok = reply.code == "2.05"
  local mid, err = self.conn:notify {
    token = o.token, path = (self.alternate .. o.path):sub(2), con = self.notify_type == "con",
    code = Coap.code_number(reply.code), format = reply.format, payload = reply.payload,
    observe = is_ok and o.seq or nil,
  }
  o.mid = mid
  if not is_ok then self.observations[o.token] = nil end -- an error ends it (RFC 7641, section 4.2)
  self:note { what = "notify", path = o.path, seq = o.seq, code = reply.code, err = err }
  if self.on.notified then guard(self, self.on.notified, self, o) end
end

local function is_related(a, b)
  for i = 1, math.min(#a, #b) do
    if a[i] ~= b[i] then return false end
  end
  return true
end

--- Notifies the observers of a path, of what lies above it and of what lies below.
---@param ids integer[]
function Device:changed(ids)
  local due = {}
  for _, o in pairs(self.observations) do
    if is_related(o.ids, ids) then due[#due + 1] = o end
  end
  if #due == 0 then return end
  self:wake()
  for _, o in ipairs(due) do self:notify(o) end
end

--- Sets a value and notifies its observers. Missing objects and instances are made.
---@param path string   "/3303/0/5700" or "/3/0/6/1"
---@param value any     as in Sim.device; nil removes the resource
function Device:set(path, value)
  local ids = assert(Tree.parse(path), "bad path")
  assert(#ids >= 3 and #ids <= 4, "only resources can be set")
  local oid, iid, rid, riid = table.unpack(ids)
  self.objects[oid] = self.objects[oid] or {}
  local instances = self.objects[oid]
  instances[iid] = instances[iid] or {}
  if riid then
    local old = instances[iid][rid]
    if type(old) ~= "table" or Tree.is_tagged(old) then instances[iid][rid] = {} end
    instances[iid][rid][riid] = value
  else
    instances[iid][rid] = value
  end
  self:changed(ids)
end

--- The plain Lua value at a path; an instance or object as a table; nil when it is not there.
---@param path string
function Device:get(path)
  local v = self.objects
  for _, id in ipairs(assert(Tree.parse(path), "bad path")) do
    if type(v) ~= "table" or Tree.is_tagged(v) then return nil end
    v = v[id]
  end
  if v == nil then return nil end
  return Tree.plain(self, v)
end

--- Spoils the next datagrams.
---@param kind string  "drop_in", "drop_out", "drop_request" (only requests of the server), "twice_out"
---@param n? integer   how many, 1; 0 ends it
function Device:fault(kind, n) self.conn:fault(kind, n) end

--- Radio off: whatever the server sends is lost, until the device sends something itself or wakes.
function Device:sleep()
  self.is_asleep = true
  self.conn:set_asleep(true)
end

--- Radio on.
function Device:wake()
  if not self.is_asleep then return end
  self.is_asleep = false
  self.conn:set_asleep(false)
end

--- Sends bytes as they are from the device's own port.
---@param bytes string
function Device:send_raw(bytes) return self.conn:raw(bytes) end

--- Goes on from another local port, as after a NAT rebinding. @return integer? port
function Device:rebind() return self.conn:rebind() end

--- Local port that the server sees. @return integer
function Device:port() return self.conn:port() end

--- Descriptor to wait for. @return integer
function Device:fd() return self.conn:fd() end

local function update_due_s(dev)
  if dev.auto_update and dev.state == "registered" then return dev.last_sent + dev.lifetime / 2 end
end

local function pmax_of(dev, o)
  for depth = #o.ids, 1, -1 do
    local attributes = dev.attributes[Tree.print { table.unpack(o.ids, 1, depth) }]
    local pmax = attributes and tonumber(attributes.pmax)
    if pmax and pmax > 0 then return pmax end
  end
end

--- Milliseconds until step has something to do without a datagram; -1 = wait for the descriptor.
---@return integer
function Device:timeout_ms()
  local ms = self.conn:timeout_ms()
  local due = update_due_s(self)
  for _, o in pairs(self.observations) do
    local pmax = pmax_of(self, o)
    if pmax then due = math.min(due or math.huge, o.last_s + pmax) end
  end
  if due and ms ~= 0 then ms = math.max(0, math.ceil((due - self:now()) * 1000)) end
  return ms
end

--- Does what the clock says: Update when auto_update is on, notifications at pmax.
local function tick(dev)
  local now = dev:now()
  local due = update_due_s(dev)
  if due and now >= due then dev:update() end
  local late = {}
  for _, o in pairs(dev.observations) do
    local pmax = pmax_of(dev, o)
    if pmax and now >= o.last_s + pmax then late[#late + 1] = o end
  end
  for _, o in ipairs(late) do dev:notify(o) end
end

--- Does what is due without waiting. @return integer n datagrams that passed
function Device:step()
  if self.state == "closed" then return 0 end
  local n, err = self.conn:step()
  if err then keep_error(self, err) end
  if self.state ~= "closed" then tick(self) end
  return n
end

--- Frees the device; the server is told nothing.
function Device:close()
  self.conn:close()
  self.state = "closed"
end
Device.__close = Device.close

return Device
