--- "Did you mean ...?": the known word that is nearest to a wrong one. Pure, no I/O.
local Suggest = {}

local MAX_LENGTH = 64 -- longer words are not compared: nobody mistypes those

--- Number of single-character edits (insert, delete, replace, swap neighbours) from a to b.
---@param a string
---@param b string
---@return integer
function Suggest.distance(a, b)
  local before, previous = {}, {}
  for j = 0, #b do previous[j] = j end
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

--- The nearest of the known words, if it is near enough to be meant: a third of its letters may be wrong.
---@param word any          only strings have one
---@param known string[]
---@return string? nearest
function Suggest.nearest(word, known)
  if type(word) ~= "string" or #word > MAX_LENGTH then return nil end
  local best, best_distance
  for _, candidate in ipairs(known) do
    local distance = Suggest.distance(word:lower(), candidate:lower())
    if distance <= math.max(1, #candidate // 3) and (not best or distance < best_distance) then
      best, best_distance = candidate, distance
    end
  end
  return best
end

--- The end of a sentence about an unknown word: " (did you mean x?)", or the empty string.
---@param word any
---@param known string[]
---@return string
function Suggest.hint(word, known)
  local nearest = Suggest.nearest(word, known)
  return nearest and (" (did you mean %s?)"):format(nearest) or ""
end

return Suggest
