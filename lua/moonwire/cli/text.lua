--- Text for people: tables in columns, times, durations. Pure, no I/O.
local Text = {}

--- Cells may hold what a device sent: control characters would drive the terminal.
---@param value any
---@return string
function Text.plain(value)
  if value == nil then return "" end
  if math.type(value) == "float" then return Text.number(value) end
  local text = tostring(value)
  if not utf8.len(text) then
    return "0x" .. text:sub(1, 16):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  end
  return (text:gsub("[%c\127]", "?"))
end

--- Shortest text that reads back as the same number.
---@param n number
---@return string
function Text.number(n)
  if math.type(n) == "integer" then return tostring(n) end
  local short = ("%.15g"):format(n)
  return tonumber(short) == n and short or ("%.17g"):format(n)
end

local function width(text) return utf8.len(text) or #text end

local function pad(text, to, right)
  local space = (" "):rep(math.max(0, to - width(text)))
  return right and space .. text or text .. space
end

--- Lines of a table with a header; columns are as wide as their widest cell.
---@param columns table[]  { title =, key = (name or function(row)), right = boolean }
---@param rows table[]
---@return string[] lines  without line ends, the header first
function Text.table(columns, rows)
  local cells, widths = {}, {}
  for c, column in ipairs(columns) do widths[c] = width(column.title) end
  for r, row in ipairs(rows) do
    cells[r] = {}
    for c, column in ipairs(columns) do
      local value = type(column.key) == "function" and column.key(row) or row[column.key]
      if type(column.key) == "function" and value == false then value = nil end
      cells[r][c] = Text.plain(value)
      widths[c] = math.max(widths[c], width(cells[r][c]))
    end
  end
  local function line(values)
    local parts = {}
    for c, column in ipairs(columns) do parts[c] = pad(values[c], widths[c], column.right) end
    return (table.concat(parts, "  "):gsub("%s+$", ""))
  end
  local header = {}
  for c, column in ipairs(columns) do header[c] = column.title end
  local lines = { line(header) }
  for r = 1, #rows do lines[r + 1] = line(cells[r]) end
  return lines
end

--- "2026-11-22 20:04:59" in local time.
---@param ms integer?  wall time
---@return string
function Text.time(ms)
  return ms and os.date("%Y-%m-%d %H:%M:%S", ms // 1000) or ""
end

--- "45 s", "3 min", "5 h", "2 d".
---@param seconds integer?
---@return string
function Text.duration(seconds)
  if not seconds then return "" end
  if seconds < 120 then return ("%d s"):format(seconds) end
  if seconds < 7200 then return ("%d min"):format(seconds // 60) end
  if seconds < 172800 then return ("%d h"):format(seconds // 3600) end
  return ("%d d"):format(seconds // 86400)
end

return Text
