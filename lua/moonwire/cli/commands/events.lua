--- `moonwire events`: the newest stored events, oldest of them first.
local Store = require "moonwire.cli.store"
local Text = require "moonwire.cli.text"

local COLUMNS = {
  { title = "TIME", key = function(e) return Text.time(e.time_ms) end },
  { title = "ENDPOINT", key = "endpoint" },
  { title = "TYPE", key = "type" },
  { title = "TEXT", key = "text" },
  { title = "PATH", key = "path" },
}

return {
  name = "events",
  words = 1,
  usage = "[ENDPOINT] [--type TYPE] [--limit N] [--store FILE] [--json]",
  summary = "Show stored events",
  options = Store.feed_options "acme_Opened",
  run = function(options) return Store.show_feed("event", COLUMNS, options) end,
}
