--- What `moonwire demo` shows: on a terminal a screen that is redrawn in place, elsewhere one line per measurement.
--- Knows nothing of hosts and devices; it is told.
local Text = require "moonwire.cli.text"

local View = {}
View.__index = View

local SPARKS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
local HISTORY = 40   -- values in the little chart
local LOG_LINES = 6

local BOLD, DIM, RESET, RED, GREEN, YELLOW, CYAN =
  "\27[1m", "\27[2m", "\27[0m", "\27[31m", "\27[32m", "\27[33m", "\27[36m"
local SEVERITY_COLOURS = { CRITICAL = RED, MAJOR = RED, MINOR = YELLOW, WARNING = YELLOW }

---@param app table          for the terminal's size
---@param plain boolean      lines instead of a screen
---@return table view
function View.new(app, plain)
  return setmetatable({ app = app, plain = plain, rows = {}, order = {}, log = {}, alarms = {}, n = 0 }, View)
end

function View:open()
  if not self.plain then io.stdout:write("\27[?1049h\27[?25l\27[2J") end
end

--- Gives the terminal back as it was.
function View:close()
  if not self.plain then
    io.stdout:write("\27[?25h\27[?1049l")
    io.stdout:flush()
  end
end

--- A stored measurement.
function View:measurement(m)
  self.n = self.n + 1
  local key = m.endpoint .. "\0" .. m.series
  local row = self.rows[key]
  if not row then
    row = { endpoint = m.endpoint, series = m.series, history = {} }
    self.rows[key] = row
    self.order[#self.order + 1] = row
    table.sort(self.order, function(a, b) return a.endpoint .. a.series < b.endpoint .. b.series end)
  end
  row.value, row.unit, row.type, row.time_ms = m.value, m.unit, m.type, m.time_ms
  row.history[#row.history + 1] = m.value
  if #row.history > HISTORY then table.remove(row.history, 1) end
  if self.plain then
    print(("%s  %-16s %-24s %10s %s"):format(os.date("%H:%M:%S", m.time_ms // 1000), m.endpoint, m.series,
      Text.plain(m.value), m.unit or ""))
  end
end

--- An alarm as it stands now.
function View:alarm(a)
  self.alarms[a.endpoint .. "\0" .. a.type] = a.status ~= "CLEARED" and a or nil
  if self.plain then
    print(("%s  %-16s alarm %s %s: %s"):format(os.date("%H:%M:%S"), a.endpoint, a.severity or "", a.status,
      a.text or a.type))
  end
end

--- A line of the log, newest last.
function View:say(level, text)
  if self.plain then
    print(("%s  %s %s"):format(os.date("%H:%M:%S"), level, text))
    return
  end
  text = text:gsub("^unit=(%S+) (%1)", "%2") -- said twice only where lines are searched by machine
  for line in text:gmatch("[^\n]+") do
    self.log[#self.log + 1] = { level = level, text = ("%s %s"):format(os.date("%H:%M:%S"), line) }
  end
  while #self.log > LOG_LINES do table.remove(self.log, 1) end
end

-- Cuts a text into lines of at most `columns`, later ones indented; at a space if there is one near the edge.
local function wrap(text, columns, indent)
  local lines, first = {}, true
  text = Text.plain(text)
  while utf8.len(text) > columns do
    local cut = utf8.offset(text, columns + 1) - 1
    local space = text:sub(1, cut):match("^.*() ")
    if space and space > cut // 2 then cut = space end
    lines[#lines + 1] = text:sub(1, cut)
    text = text:sub(cut + 1):gsub("^ +", "")
    if first then columns, first = columns - #indent, false end
  end
  lines[#lines + 1] = text
  for i = 2, #lines do lines[i] = indent .. lines[i] end
  return lines
end

local function chart(history)
  local low, high = math.huge, -math.huge
  for _, v in ipairs(history) do low, high = math.min(low, v), math.max(high, v) end
  local parts = {}
  for i, v in ipairs(history) do
    local at = high > low and (v - low) / (high - low) or 0.5
    parts[i] = SPARKS[math.floor(at * (#SPARKS - 1) + 1.5)] or SPARKS[#SPARKS]
  end
  return table.concat(parts)
end

-- Pads to a number of characters on the screen, cutting what is longer.
local function fit(text, columns)
  text = Text.plain(text)
  local n = utf8.len(text)
  if n > columns then return text:sub(1, utf8.offset(text, columns) - 1) .. "…" end
  return text .. (" "):rep(columns - n)
end

local function table_lines(self, now_ms)
  local lines = { DIM .. fit("  DEVICE", 19) .. fit("SERIES", 26) .. ("%12s"):format("VALUE") .. "      LATELY" .. RESET }
  for _, row in ipairs(self.order) do
    local fresh = now_ms - row.time_ms < 1500
    local value = ("%10.2f %-5s"):format(row.value, row.unit or "")
    lines[#lines + 1] = (fresh and GREEN .. "● " or DIM .. "● ") .. RESET .. fit(row.endpoint, 17) .. DIM .. fit(row.series, 26)
      .. RESET .. BOLD .. value .. RESET .. "  " .. CYAN .. chart(row.history) .. RESET
  end
  if #self.order == 0 then lines[#lines + 1] = "  waiting for the first values ..." end
  return lines
end

local function alarm_lines(self)
  local lines, keys = {}, {}
  for key in pairs(self.alarms) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local a = self.alarms[key]
    lines[#lines + 1] = ("  %s%-8s%s %s  %s  %s(%d times)%s"):format(SEVERITY_COLOURS[a.severity] or "", a.severity, RESET,
      fit(a.endpoint, 14), Text.plain(a.text or a.type), DIM, a.count or 1, RESET)
  end
  if #lines == 0 then lines[1] = DIM .. "  no alarms" .. RESET end
  return lines
end

local function log_lines(self, columns, room)
  local lines = {}
  for _, entry in ipairs(self.log) do
    local colour = entry.level == "error" and RED or entry.level == "warn" and YELLOW or DIM
    for _, line in ipairs(wrap(entry.text, columns - 3, "         ")) do
      lines[#lines + 1] = "  " .. colour .. line .. RESET
    end
  end
  while #lines > room do table.remove(lines, 1) end
  return lines
end

--- Cuts a line with colours in it at the edge of the terminal.
local function clip(line, columns)
  local out, used, at = {}, 0, 1
  while at <= #line do
    local escape = line:match("^\27%[[%d;]*m", at)
    if escape then
      out[#out + 1] = escape
      at = at + #escape
    else
      local char = line:match("^" .. utf8.charpattern, at) or line:sub(at, at)
      if used == columns then break end
      out[#out + 1] = char
      used = used + 1
      at = at + #char
    end
  end
  return table.concat(out) .. RESET
end

--- Draws the screen anew; nothing in plain mode.
---@param facts { address: string, scripts: string, devices: integer, now_ms: integer }
function View:draw(facts)
  if self.plain then return end
  local columns, rows = self.app.terminal()
  columns, rows = columns or 80, rows or 24
  local lines = {
    ("%s Moonwire %s  coap://%s   %d devices   %s%d%s measurements stored"):format(BOLD, RESET, facts.address, facts.devices,
      BOLD, self.n, RESET),
    "",
  }
  local function add(more) for _, line in ipairs(more) do lines[#lines + 1] = line end end
  add(table_lines(self, facts.now_ms))
  lines[#lines + 1] = ""
  add(alarm_lines(self))
  lines[#lines + 1] = ""
  for n, line in ipairs(wrap(("Edit %s and save: the next value goes through your version."):format(facts.scripts),
    columns - 3, "")) do
    lines[#lines + 1] = "  " .. (n == 1 and BOLD or "") .. line .. RESET
  end
  for _, line in ipairs(wrap("Try another unit or type, a LIMIT of 20 degrees, or break it and see. Ctrl-C ends.",
    columns - 3, "")) do
    lines[#lines + 1] = DIM .. "  " .. line .. RESET
  end
  lines[#lines + 1] = ""
  add(log_lines(self, columns, math.max(1, rows - 1 - #lines)))
  local out = { "\27[H" }
  for i = 1, math.min(#lines, rows - 1) do out[#out + 1] = clip(lines[i], columns) .. "\27[K\r\n" end
  out[#out + 1] = "\27[J"
  io.stdout:write(table.concat(out))
  io.stdout:flush()
end

return View
