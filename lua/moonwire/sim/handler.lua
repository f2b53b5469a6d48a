--- What a simulated device answers to the server (LwM2M Core, "Device Management" and "Information Reporting").
local Coap = require "moonwire.sim.coap"
local Tree = require "moonwire.sim.tree"

local Handler = {}

local TEXT, LINK, OPAQUE, TLV, SENML_CBOR = 0, 40, 42, 11542, 112
local OPTION = Coap.OPTION
local MAX_DEPTH = 4

local function fail(code) return { code = code } end

local function default_format(dev, ids, nodes, multiple)
  if dev.default_format then return dev.default_format end
  if #ids >= 3 and #nodes == 1 and not multiple then return nodes[1].type == "Opaque" and OPAQUE or TEXT end
  return dev.version == "1.0" and TLV or SENML_CBOR
end

--- The answer to a Read, also the content of a notification.
---@param dev moonwire.sim.Device
---@param ids integer[]
---@param accept integer?
---@return table reply
function Handler.render(dev, ids, accept)
  local nodes, code, raw, multiple = Tree.read(dev, ids)
  if raw then return { code = raw.code or "2.05", format = raw.format, payload = raw.raw } end
  if not nodes then return fail(code) end
  local format = accept or default_format(dev, ids, nodes, multiple)
  if not dev.formats[format] then return fail("4.06") end
  if (format == TEXT or format == OPAQUE) and (#ids < 3 or #nodes ~= 1) then return fail("4.06") end
  local payload, err, word = dev.codec.encode(format, Tree.print(ids), nodes)
  if not payload then
    dev:note { what = "encode", path = Tree.print(ids), err = err }
    return fail(word == "ELIMIT" and "5.00" or "4.06")
  end
  return { code = "2.05", format = dev.wrong_format or format, payload = payload }
end

local function observe(dev, request, ids, accept, reply)
  local token = request.token
  local action = Coap.option_number(request, OPTION.OBSERVE)
  if action == 1 then
    if dev.observations[token] then dev:note { what = "cancel", path = Tree.print(ids) } end
    dev.observations[token] = nil
  elseif action == 0 and reply.code == "2.05" then
    local o = dev.observations[token]
    if not o then
      o = { token = token, path = Tree.print(ids), ids = ids, seq = dev.observe_start - 1 }
      dev.observations[token] = o
      dev:note { what = "observe", path = o.path, accept = accept }
    end
    o.accept, o.seq, o.last = accept, (o.seq + 1) & 0xffffff, reply.payload
    o.last_s = dev:now()
    reply.observe = o.seq
  end
  return reply
end

local function read(dev, request, ids)
  local accept = Coap.option_number(request, OPTION.ACCEPT)
  if #ids == 0 then return fail("4.05") end
  if accept == LINK then
    dev:note { what = "discover", path = Tree.print(ids) }
    local links, code = Tree.discover(dev, ids)
    if not links then return fail(code) end
    return { code = "2.05", format = LINK, payload = links }
  end
  local path = Tree.print(ids)
  dev:note { what = "read", path = path, accept = accept }
  local reply = dev:hook("read", path, accept) or Handler.render(dev, ids, accept)
  return observe(dev, request, ids, accept, reply)
end

--- Nodes of a payload, or nil and a code.
local function decode(dev, ids, format, payload)
  if not dev.formats[format] then return nil, "4.15" end
  local numbers = dev.codec.type_numbers
  local types = Tree.types(dev, numbers)
  local nodes, err, word = dev.codec.decode(format, Tree.print(ids), payload, types, dev:now())
  for _, n in ipairs(nodes or {}) do
    local want = types[n[1] << 16 | n[3]]
    -- The codecs keep what does not fit its type, as servers must; a device refuses it.
    if want and want & 15 ~= numbers[n.type] then return nil, "4.00" end
  end
  if nodes then return nodes end
  dev:note { what = "decode", path = Tree.print(ids), err = err }
  return nil, word == "EUNSUPPORTED" and "4.15" or "4.00"
end

local function is_writable(dev, oid, rid, v)
  local access = dev.access[oid .. "/" .. rid]
  return not Tree.is_exec(v) and not (access and not access:find("W", 1, true))
end

--- Sets one value in a copy of a resource table; a table of resource instances is copied too.
local function put(resources, rid, riid, value)
  if not riid then
    resources[rid] = value
    return
  end
  local old, new = resources[rid], {}
  if type(old) == "table" and not Tree.is_tagged(old) then
    for id, v in pairs(old) do new[id] = v end
  end
  new[riid] = value
  resources[rid] = new
end

--- Applies nodes to a copy of one instance. Atomic: the device is unchanged when a code comes back.
---@param keep boolean  partial update: what the payload does not name stays
---@return table? resources
---@return string? code
local function merge(dev, oid, old, nodes, keep, by_server)
  local new, replaced = {}, {}
  for rid, v in pairs(old) do
    if keep or not is_writable(dev, oid, rid, v) or type(v) == "function" then new[rid] = v end
  end
  for _, n in ipairs(nodes) do
    local rid, riid = n[3], n[4]
    if by_server and not is_writable(dev, oid, rid, old[rid]) then return nil, "4.05" end
    if riid and not keep and not replaced[rid] then
      new[rid], replaced[rid] = nil, true -- a replaced array starts empty
    end
    put(new, rid, riid, Tree.keep(n))
  end
  return new
end

--- The one written path or, when the payload names several, that of the request.
local function after_write(dev, ids)
  dev:changed(ids)
  return { code = "2.04" }
end

local function write_resource(dev, ids, nodes, partial)
  local oid, iid, rid, riid = table.unpack(ids)
  local resources = dev.objects[oid][iid]
  if resources[rid] == nil and dev.strict then return fail("4.04") end
  if not is_writable(dev, oid, rid, resources[rid]) then return fail("4.05") end
  for _, n in ipairs(nodes) do
    if n[1] ~= oid or n[2] ~= iid or n[3] ~= rid or riid and n[4] ~= riid then return fail("4.00") end
  end
  if not partial and not riid then resources[rid] = #nodes == 0 and {} or nil end
  for _, n in ipairs(nodes) do put(resources, rid, n[4], Tree.keep(n)) end
  return after_write(dev, ids)
end

local function write(dev, request, ids, partial)
  local oid, iid = ids[1], ids[2]
  local format = Coap.option_number(request, OPTION.CONTENT_FORMAT) or TEXT
  local path = Tree.print(ids)
  dev:note { what = "write", path = path, format = format, partial = partial, payload = request.payload }
  if #ids < 2 then return fail("4.05") end
  if not dev.objects[oid] or not dev.objects[oid][iid] then return fail("4.04") end
  local nodes, code = decode(dev, ids, format, request.payload)
  if not nodes then return fail(code) end
  local answer = dev:hook("write", path, nodes)
  if answer then return answer end
  if #ids >= 3 then return write_resource(dev, ids, nodes, partial) end
  for _, n in ipairs(nodes) do
    if n[1] ~= oid or n[2] ~= iid then return fail("4.00") end
  end
  local resources, why = merge(dev, oid, dev.objects[oid][iid], nodes, partial, true)
  if not resources then return fail(why) end
  dev.objects[oid][iid] = resources
  return after_write(dev, ids)
end

local function write_attributes(dev, ids, query)
  local path = Tree.print(ids)
  dev:note { what = "write-attributes", path = path, query = query }
  local instances = dev.objects[ids[1]]
  if not instances or ids[2] and not instances[ids[2]] then return fail("4.04") end
  if ids[3] and instances[ids[2]][ids[3]] == nil then return fail("4.04") end
  local attributes = {}
  for name, value in pairs(dev.attributes[path] or {}) do attributes[name] = value end
  for _, q in ipairs(query) do
    local name, value = q:match("^([%a]+)=?(.*)$")
    if not name or value ~= "" and not tonumber(value) then return fail("4.00") end
    attributes[name] = value ~= "" and value or nil -- a bare key unsets
  end
  dev.attributes[path] = attributes
  return { code = "2.04" }
end

local function execute(dev, request, ids)
  local path = Tree.print(ids)
  dev:note { what = "execute", path = path, args = request.payload }
  local instance = dev.objects[ids[1]] and dev.objects[ids[1]][ids[2]]
  local v = instance and instance[ids[3]]
  if v == nil then return fail("4.04") end
  if not Tree.is_exec(v) then return fail("4.05") end
  local answer = dev:hook("execute", path, request.payload)
  if answer then return answer end
  local code = v.exec(dev, request.payload)
  return { code = type(code) == "string" and code or "2.04" }
end

local function free_id(instances)
  local id = 0
  while instances[id] do id = id + 1 end
  return id
end

--- Create. TLV may leave the instance out (LwM2M Core, "Create"): the decoder then cannot name it, so that nodes
--- without a wrapper are recognised by a payload that starts with a resource TLV.
local function create(dev, request, ids)
  local oid = ids[1]
  local format = Coap.option_number(request, OPTION.CONTENT_FORMAT) or TLV
  dev:note { what = "create", path = Tree.print(ids), format = format, payload = request.payload }
  local instances = dev.objects[oid]
  if not instances then return fail("4.04") end
  local first = request.payload:byte(1)
  local base, given = ids, true
  if #request.payload == 0 or format == TLV and first >> 6 ~= 0 then
    base, given = { oid, free_id(instances) }, false
  end
  local nodes, code = {}, nil
  if #request.payload > 0 then nodes, code = decode(dev, base, format, request.payload) end
  if not nodes then return fail(code) end
  local iid = given and nodes[1] and nodes[1][2] or base[2] or free_id(instances)
  for _, n in ipairs(nodes) do
    if n[1] ~= oid or n[2] ~= iid then return fail("4.00") end
  end
  if instances[iid] then return fail("4.00") end
  local answer = dev:hook("create", Tree.print { oid, iid }, nodes)
  if answer then return answer end
  instances[iid] = merge(dev, oid, {}, nodes, true, false)
  dev:changed { oid, iid }
  return { code = "2.01", location = not given and ("%d/%d"):format(oid, iid) or nil }
end

local function delete(dev, ids)
  local path = Tree.print(ids)
  dev:note { what = "delete", path = path }
  local oid, iid, rid, riid = table.unpack(ids)
  if #ids ~= 2 and #ids ~= 4 or oid == 3 then return fail("4.05") end
  local instance = dev.objects[oid] and dev.objects[oid][iid]
  if not instance then return fail("4.04") end
  if riid then
    local v = instance[rid]
    if type(v) ~= "table" or Tree.is_tagged(v) or v[riid] == nil then return fail("4.04") end
  end
  local answer = dev:hook("delete", path)
  if answer then return answer end
  if riid then
    instance[rid][riid] = nil
  else
    dev.objects[oid][iid] = nil
  end
  dev:changed(ids)
  return { code = "2.02" }
end

--- Write-Composite: all or nothing.
local function write_composite(dev, request)
  local format = Coap.option_number(request, OPTION.CONTENT_FORMAT)
  dev:note { what = "write-composite", path = "/", format = format, payload = request.payload }
  if not format or format == TEXT or format == OPAQUE then return fail("4.15") end
  local nodes, code = decode(dev, {}, format, request.payload)
  if not nodes then return fail(code) end
  for _, n in ipairs(nodes) do
    local instance = dev.objects[n[1]] and dev.objects[n[1]][n[2]]
    if not instance then return fail("4.04") end
    if not is_writable(dev, n[1], n[3], instance[n[3]]) then return fail("4.05") end
  end
  for _, n in ipairs(nodes) do
    put(dev.objects[n[1]][n[2]], n[3], n[4], Tree.keep(n))
    dev:changed(n)
  end
  return { code = "2.04" }
end

local function post(dev, request, ids)
  local format = Coap.option_number(request, OPTION.CONTENT_FORMAT)
  if #ids == 1 then return create(dev, request, ids) end
  if #ids == 2 then return write(dev, request, ids, true) end
  if #ids == 3 and (not format or format == TEXT) then return execute(dev, request, ids) end
  if #ids == 3 then return write(dev, request, ids, true) end
  return fail("4.05")
end

local function put_method(dev, request, ids)
  local query = Coap.values(request, OPTION.URI_QUERY)
  local format = Coap.option_number(request, OPTION.CONTENT_FORMAT)
  if #ids > 0 and not format and request.payload == "" and #query > 0 then
    return write_attributes(dev, ids, query)
  end
  return write(dev, request, ids, false)
end

local METHODS = {
  [1] = read,
  [2] = post,
  [3] = put_method,
  [4] = function(dev, _, ids) return delete(dev, ids) end,
  [7] = function(dev, request, ids) return #ids == 0 and write_composite(dev, request) or fail("4.05") end,
}

--- Path below the alternate path, as text, or nil.
local function strip(dev, request)
  local path = "/" .. table.concat(Coap.values(request, OPTION.URI_PATH), "/")
  if dev.alternate == "" then return path end
  if path == dev.alternate then return "/" end
  local prefix = dev.alternate .. "/"
  if path:sub(1, #prefix) == prefix then return path:sub(#prefix) end
end

--- Answers a request of the server.
---@param dev moonwire.sim.Device
---@param request table   as core.sim gives it: code, token, options, payload
---@return table reply    code as text
function Handler.answer(dev, request)
  local path = strip(dev, request)
  local ids = path and Tree.parse(path)
  if not ids then return fail("4.04") end
  if #ids > MAX_DEPTH then return fail("4.05") end
  if ids[1] == 0 or ids[1] == 21 then return fail("4.01") end
  local method = METHODS[request.code]
  return method and method(dev, request, ids) or fail("5.01")
end

return Handler
