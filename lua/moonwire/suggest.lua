--- "Did you mean ...?": the known word that is nearest to a wrong one. Pure, no I/O.
local Suggest = {}

local MAX_LENGTH = 64 -- longer words are not compared: nobody mistypes those

local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
      diagonal, row[j] = row[j], best
    end
  end
  return row[#b]
end

--- The nearest of the known words, if it is near enough to be meant.
---@param word string
---@param known string[]
---@return string? nearest
function Suggest.nearest(word, known)
  if #word > MAX_LENGTH then return nil end
  local best, best_distance
  for _, candidate in ipairs(known) do
    local d = distance(word:lower(), candidate:lower())
    if not best or d < best_distance then best, best_distance = candidate, d end
  end
  if best and best_distance <= math.max(1, #best // 3) then return best end
end

--- " (did you mean x?)", or the empty string.
---@param word string
---@param known string[]
---@return string
function Suggest.hint(word, known)
  local nearest = Suggest.nearest(word, known)
  return nearest and (" (did you mean %s?)"):format(nearest) or ""
end

return Suggest
