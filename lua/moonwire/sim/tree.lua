--- Objects of a simulated device: from Lua values to typed values of the content formats and back. No I/O.
local Tree = {}

--- Values that a plain Lua value cannot express carry this metatable: { type = "Opaque", value = "..." },
--- { exec = f } or { raw = "...", format = 0 }.
local Tagged = { __name = "moonwire.sim.value" }

local PLAIN = { string = "String", boolean = "Boolean", integer = "Integer", float = "Float" }
local KEEPS_TAG = { Opaque = true, Objlnk = true, Time = true, ["Unsigned Integer"] = true, Corelnk = true }
local MULTIPLE = 16 -- added to a type's number in the table that the decoder asks

---@param fields table
function Tree.tag(fields)
  return setmetatable(fields, Tagged)
end

function Tree.is_tagged(v)
  return getmetatable(v) == Tagged
end

function Tree.is_exec(v)
  return Tree.is_tagged(v) and v.exec ~= nil
end

function Tree.is_raw(v)
  return Tree.is_tagged(v) and v.raw ~= nil
end

--- "/3303/0/5700" -> { 3303, 0, 5700 }; "/" -> {}. nil when it is no path.
---@param text string
---@return integer[]?
function Tree.parse(text)
  local ids = {}
  for segment in text:gmatch("[^/]+") do
    local id = segment:match("^%d+$") and math.tointeger(tonumber(segment))
    if not id or id > 65534 then return nil end
    ids[#ids + 1] = id
  end
  return ids
end

---@param ids integer[]
---@return string
function Tree.print(ids)
  return "/" .. table.concat(ids, "/")
end

--- Keys of a table with integer keys, rising.
---@param t table
---@return integer[]
function Tree.ids(t)
  local ids = {}
  for id in pairs(t) do ids[#ids + 1] = id end
  table.sort(ids)
  return ids
end

--- The value itself, functions called.
local function resolve(dev, v)
  if type(v) == "function" then return v(dev, dev:now()) end
  return v
end

local function is_multiple(v)
  return type(v) == "table" and not Tree.is_tagged(v)
end

local function type_of(dev, oid, rid, v)
  if Tree.is_tagged(v) then return v.type end
  return dev.types[oid .. "/" .. rid] or PLAIN[math.type(v) or type(v)]
end

local function node(dev, ids, v)
  local data_type = type_of(dev, ids[1], ids[3], v)
  if not data_type then error(("a %s is no value for %s"):format(type(v), Tree.print(ids))) end
  local value = v
  if Tree.is_tagged(v) then value = v.value end
  if data_type == "String" then value = tostring(value) end
  return { ids[1], ids[2], ids[3], ids[4], type = data_type, value = value }
end

local function add_resource(dev, out, oid, iid, rid, v)
  if not is_multiple(v) then
    out[#out + 1] = node(dev, { oid, iid, rid }, v)
    return
  end
  for _, riid in ipairs(Tree.ids(v)) do
    out[#out + 1] = node(dev, { oid, iid, rid, riid }, resolve(dev, v[riid]))
  end
end

local function is_readable(dev, oid, rid, v)
  local access = dev.access[oid .. "/" .. rid]
  return not Tree.is_exec(v) and not (access and not access:find("R", 1, true))
end

local function add_instance(dev, out, oid, iid, resources)
  for _, rid in ipairs(Tree.ids(resources)) do
    local v = resolve(dev, resources[rid])
    if v ~= nil and is_readable(dev, oid, rid, v) and not Tree.is_raw(v) then
      add_resource(dev, out, oid, iid, rid, v)
    end
  end
end

--- What a Read of a path gives.
---@param dev moonwire.sim.Device
---@param ids integer[]   one to four
---@return table[]? nodes   for the encoder
---@return string? code     "4.04", "4.05" instead
---@return table? raw       the value made by sim.raw, when the path is one
---@return boolean? multiple  a resource with instances
function Tree.read(dev, ids)
  local oid, iid, rid, riid = table.unpack(ids)
  local instances = dev.objects[oid]
  if not instances then return nil, "4.04" end
  local out = {}
  if not iid then
    for _, id in ipairs(Tree.ids(instances)) do add_instance(dev, out, oid, id, instances[id]) end
    return out
  end
  local resources = instances[iid]
  if not resources then return nil, "4.04" end
  if not rid then
    add_instance(dev, out, oid, iid, resources)
    return out
  end
  local v = resolve(dev, resources[rid])
  if v == nil then return nil, "4.04" end
  if not is_readable(dev, oid, rid, v) then return nil, "4.05" end
  if Tree.is_raw(v) then return nil, nil, v end
  if not riid then
    add_resource(dev, out, oid, iid, rid, v)
    return out, nil, nil, is_multiple(v)
  end
  if not is_multiple(v) or v[riid] == nil then return nil, "4.04" end
  return { node(dev, ids, resolve(dev, v[riid])) }
end

--- Types of what the device has, keyed as the decoder wants them.
---@param dev moonwire.sim.Device
---@param numbers table<string, integer>  number of each type name
---@return table<integer, integer>
function Tree.types(dev, numbers)
  local out = {}
  for oid, instances in pairs(dev.objects) do
    for _, resources in pairs(instances) do
      for rid, v in pairs(resources) do
        local multiple = is_multiple(v)
        if multiple then v = v[next(v)] end
        local name = v ~= nil and type_of(dev, oid, rid, v) or dev.types[oid .. "/" .. rid]
        if numbers[name] then out[oid << 16 | rid] = numbers[name] + (multiple and MULTIPLE or 0) end
      end
    end
  end
  for path, name in pairs(dev.types) do
    local ids = Tree.parse(path)
    local key = ids[1] << 16 | ids[2]
    out[key] = out[key] or numbers[name]
  end
  return out
end

--- A decoded node's value as it is kept: plain where a plain Lua value says it all.
function Tree.keep(n)
  if KEEPS_TAG[n.type] then return Tree.tag { type = n.type, value = n.value } end
  return n.value
end

--- What dev:get gives: tags taken off, functions called.
---@param dev moonwire.sim.Device
---@param v any
function Tree.plain(dev, v)
  v = resolve(dev, v)
  if Tree.is_tagged(v) then return v.value end
  if type(v) ~= "table" then return v end
  local out = {}
  for id, inner in pairs(v) do
    if not Tree.is_exec(inner) then out[id] = Tree.plain(dev, inner) end
  end
  return out
end

local function link(dev, ids, attributes)
  local path = dev.alternate .. Tree.print(ids)
  return "<" .. path .. ">" .. (attributes or "")
end

local HIDDEN = { [0] = true, [21] = true, [23] = true } -- never in a registration

--- The object list of a registration (RFC 6690; LwM2M Core, "Register").
---@param dev moonwire.sim.Device
---@return string
function Tree.links(dev)
  local out = {}
  if dev.ct then
    local root = dev.alternate == "" and "/" or dev.alternate
    out[1] = ("<%s>;rt=\"oma.lwm2m\""):format(root) .. (dev.ct ~= "" and (";ct=\"%s\""):format(dev.ct) or "")
  end
  for _, oid in ipairs(Tree.ids(dev.objects)) do
    local instances = Tree.ids(dev.objects[oid])
    local version = dev.versions[oid] and ";ver=" .. dev.versions[oid]
    if not HIDDEN[oid] then
      if version or #instances == 0 then out[#out + 1] = link(dev, { oid }, version) end
      for _, iid in ipairs(instances) do out[#out + 1] = link(dev, { oid, iid }) end
    end
  end
  return table.concat(out, ",")
end

local function attributes_of(dev, ids)
  local out, own = "", dev.attributes[Tree.print(ids)] or {}
  local names = {}
  for name in pairs(own) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do out = out .. (";%s=%s"):format(name, own[name]) end
  return out
end

local function discover_resource(dev, out, ids, v, deep)
  local dim = ""
  if is_multiple(v) then dim = ";dim=" .. #Tree.ids(v) end
  out[#out + 1] = link(dev, ids, dim .. attributes_of(dev, ids))
  if deep and is_multiple(v) then
    for _, riid in ipairs(Tree.ids(v)) do
      local below = { ids[1], ids[2], ids[3], riid }
      out[#out + 1] = link(dev, below, attributes_of(dev, below))
    end
  end
end

--- The link list of a Discover.
---@return string? links
---@return string? code   "4.04"
function Tree.discover(dev, ids)
  local oid, iid, rid = table.unpack(ids)
  local instances = dev.objects[oid]
  if not instances or iid and not instances[iid] then return nil, "4.04" end
  if rid and instances[iid][rid] == nil then return nil, "4.04" end
  local out = {}
  if rid then
    discover_resource(dev, out, ids, instances[iid][rid], true)
    return table.concat(out, ",")
  end
  if not iid then
    local version = dev.versions[oid] and ";ver=" .. dev.versions[oid] or ""
    out[1] = link(dev, ids, version .. attributes_of(dev, ids))
  end
  for _, i in ipairs(iid and { iid } or Tree.ids(instances)) do
    out[#out + 1] = link(dev, { oid, i }, attributes_of(dev, { oid, i }))
    for _, r in ipairs(Tree.ids(instances[i])) do
      discover_resource(dev, out, { oid, i, r }, instances[i][r], false)
    end
  end
  return table.concat(out, ",")
end

return Tree
