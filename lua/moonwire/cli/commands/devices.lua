--- `moonwire devices`: who is known, from the store; works beside a running host and without one.
local Store = require "moonwire.cli.store"
local Text = require "moonwire.cli.text"

local COLUMNS = {
  { title = "ENDPOINT", key = "endpoint" },
  { title = "STATE", key = function(d) return d.registered and "registered" or "known" end },
  { title = "LWM2M", key = "version" },
  { title = "ADDRESS", key = "address" },
  { title = "BINDING", key = function(d) return d.binding and d.binding .. (d.queue_mode and "Q" or "") end },
  {
    title = "LIFETIME",
    key = function(d) return d.lifetime and (d.lifetime == 0 and "infinite" or Text.duration(d.lifetime)) end,
    right = true,
  },
  { title = "REGISTERED", key = function(d) return Text.time(d.registered_ms) end },
  { title = "OBJECTS", key = "objects" },
}

local PAGE = 1000      -- devices in memory at a time; a table has its header, and its widths, once a page
local MAX_OBJECTS = 60 -- characters of the last column

--- "1/0 3/0 3303/0,1" from a registration payload: for people, so whatever it cannot read is left out.
local function objects(links)
  local list, seen = {}, {}
  for path in (links or ""):gmatch("<([^>]*)>") do
    local oid, iid = path:match("/(%d+)/?(%d*)/?$")
    if oid and iid ~= "" then
      if seen[oid] then
        list[seen[oid]] = list[seen[oid]] .. "," .. iid
      else
        list[#list + 1] = oid .. "/" .. iid
        seen[oid] = #list
      end
    elseif oid and not seen[oid] then
      list[#list + 1] = oid
      seen[oid] = #list
    end
  end
  local text = table.concat(list, " ")
  return #text > MAX_OBJECTS and text:sub(1, MAX_OBJECTS - 3) .. "..." or text
end

return {
  name = "devices",
  words = 1,
  usage = "[ENDPOINT] [--store FILE] [--json]",
  summary = "List devices and their registrations",
  about = "A keep-alive Update is not written to the disk, so that times are those of the last change.",
  options = { Store.option, Store.json_option },
  run = function(options)
    local reader, err = Store.open(options)
    if not reader then return nil, err end
    local after, shown = 0, 0
    repeat
      local rows
      rows, err = reader:devices { endpoint = options[1], after = after, limit = PAGE }
      if not rows then return nil, err end
      for _, row in ipairs(rows) do row.objects = not options.json and objects(row.links) or nil end
      if #rows > 0 or shown == 0 then
        Store.show(rows, COLUMNS, options.json, options[1] and "no such device" or "no device has registered yet")
      end
      shown = shown + #rows
      after = #rows > 0 and rows[#rows].id
    until #rows < PAGE
    reader:close()
    return true
  end,
}
