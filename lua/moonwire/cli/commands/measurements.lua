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

return {
  name = "measurements",
  words = 1,
  usage = "[ENDPOINT] [--type TYPE] [--limit N] [--store FILE] [--json]",
  summary = "Show stored measurements",
  options = Store.feed_options "c8y_Temperature",
  run = function(options) return Store.show_feed("measurement", COLUMNS, options) end,
}
