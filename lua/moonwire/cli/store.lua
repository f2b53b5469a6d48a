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

return Store
