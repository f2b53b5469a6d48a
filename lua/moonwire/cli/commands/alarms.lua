--- `moonwire alarms`: alarms as they stand, active ones first.
local Store = require "moonwire.cli.store"
local Text = require "moonwire.cli.text"

local COLUMNS = {
  { title = "LAST", key = function(a) return Text.time(a.time_ms) end },
  { title = "ENDPOINT", key = "endpoint" },
  { title = "SEVERITY", key = "severity" },
  { title = "STATUS", key = "status" },
  { title = "COUNT", key = "count", right = true },
  { title = "TYPE", key = "type" },
  { title = "TEXT", key = "text" },
}

return {
  name = "alarms",
  words = 1,
  usage = "[ENDPOINT] [--cleared] [--limit N] [--store FILE] [--json]",
  summary = "Show alarms",
  options = {
    { name = "cleared", help = "with those that are cleared" },
    { name = "limit", value = "N", type = "integer", help = "at most this many", default = "50" },
    Store.option,
    Store.json_option,
  },
  run = function(options)
    local reader, err = Store.open(options)
    if not reader then return nil, err end
    local rows
    rows, err = reader:alarms { endpoint = options[1], cleared = options.cleared, limit = options.limit or 50 }
    if not rows then return nil, err end
    Store.show(rows, COLUMNS, options.json, "no alarm")
    reader:close()
    return true
  end,
}
