--- `moonwire measurements`: the newest stored values, oldest of them first.
local Store = require "moonwire.cli.store"
local Text = require "moonwire.cli.text"

local COLUMNS = {
  { title = "TIME", key = function(m) return Text.time(m.time_ms) end },
  { title = "ENDPOINT", key = "endpoint" },
  { title = "TYPE", key = "type" },
  { title = "SERIES", key = "series" },
  { title = "VALUE", key = "value", right = true },
  { title = "UNIT", key = "unit" },
  { title = "PATH", key = "path" },
}

local function reversed(rows)
  local out = {}
  for i = #rows, 1, -1 do out[#out + 1] = rows[i] end
  return out
end

return {
  name = "measurements",
  usage = "[ENDPOINT] [--type TYPE] [--limit N] [--store FILE] [--json]",
  summary = "Show stored measurements",
  options = {
    { name = "type", value = "TYPE", help = "only this type, e.g. c8y_Temperature" },
    { name = "limit", value = "N", type = "integer", help = "at most this many, the newest", default = "50" },
    Store.option,
    Store.json_option,
  },
  run = function(options)
    local reader, err = Store.open(options)
    if not reader then return nil, err end
    local rows
    rows, err = reader:feed { kind = "measurement", endpoint = options[1], type = options.type, newest = true,
      limit = options.limit or 50 }
    if not rows then return nil, err end
    Store.show(reversed(rows), COLUMNS, options.json, "no measurement is stored yet")
    reader:close()
    return true
  end,
}
