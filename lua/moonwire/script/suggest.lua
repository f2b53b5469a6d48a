--- "Did you mean ...?" for misspelt names. Pure, no I/O.
local Suggest = {}

local MAX_LENGTH = 40 -- longer names are no typing errors of ours

--- Number of single-character edits (insert, delete, replace, swap neighbours) from a to b.
---@param a string
---@param b string
---@return integer
function Suggest.distance(a, b)
  local before, previous = {}, {}
  for j = 0, #b do
    previous[j] = j
  end
  for i = 1, #a do
    local current = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      current[j] = math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        current[j] = math.min(current[j], before[j - 2] + 1)
      end
    end
    before, previous = previous, current
  end
  return previous[#b]
end

--- The name in `names` that was most likely meant.
---@param name string
---@param names string[]
---@return string? best  nil when nothing is near
function Suggest.best(name, names)
  if #name > MAX_LENGTH then return nil end
  local best, best_distance = nil, math.max(1, #name // 3) + 1
  for _, candidate in ipairs(names) do
    local distance = Suggest.distance(name:lower(), candidate:lower())
    if distance < best_distance then
      best, best_distance = candidate, distance
    end
  end
  return best
end

--- The end of a sentence about an unknown name.
---@param name any
---@param names string[]
---@return string  ', did you mean "pmin"?' or '; known are a, b, c'
function Suggest.hint(name, names)
  local best = type(name) == "string" and Suggest.best(name, names)
  if best then return (", did you mean %q?"):format(best) end
  return "; known are " .. table.concat(names, ", ")
end

return Suggest
