--- What the commands share that look into a store: opening it, and showing rows as a table or as JSON lines.
local Json = require "moonwire.json"
local Text = require "moonwire.cli.text"

local Store = {}

Store.option = { name = "store", value = "FILE", help = "file of the store", default = "moonwire.db" }
Store.json_option = { name = "json", help = "one JSON object per line" }

--- Opens the store that the options name.
---@param options table
---@return any? reader
---@return string? err
function Store.open(options)
  local reader, err = require("moonwire.core").reader(options.store or "moonwire.db")
  if not reader then return nil, err end
  return reader
end

--- Writes rows to standard output.
---@param rows table[]
---@param columns table[]  see Text.table
---@param json boolean?
---@param nothing string   what to say when there are none (not with --json)
function Store.show(rows, columns, json, nothing)
  if json then
    for _, row in ipairs(rows) do print((assert(Json.encode(row)))) end
    return
  end
  if #rows == 0 then
    print(nothing)
    return
  end
  for _, line in ipairs(Text.table(columns, rows)) do print(line) end
end

--- The options of a command that shows one kind of the feed.
---@param example string  a type, for the help text
function Store.feed_options(example)
  return {
    { name = "type", value = "TYPE", help = "only this type, e.g. " .. example },
    { name = "limit", value = "N", type = "integer", help = "at most this many, the newest", default = "50" },
    Store.option,
    Store.json_option,
  }
end

--- Shows the newest items of one kind, oldest of them first; options[1] is an endpoint.
---@param kind string      "measurement" or "event"
---@param columns table[]
---@param options table
---@return boolean? ok
---@return string? err
function Store.show_feed(kind, columns, options)
  local reader, err = Store.open(options)
  if not reader then return nil, err end
  local newest
  newest, err = reader:feed { kind = kind, endpoint = options[1], type = options.type, newest = true,
    limit = options.limit or 50 }
  reader:close()
  if not newest then return nil, err end
  local rows = {}
  for i = #newest, 1, -1 do rows[#rows + 1] = newest[i] end
  local nothing = ("no %s%s%s is stored yet"):format(kind, options.type and (" of type " .. options.type) or "",
    options[1] and (" of " .. options[1]) or "")
  Store.show(rows, columns, options.json, nothing)
  return true
end

return Store
