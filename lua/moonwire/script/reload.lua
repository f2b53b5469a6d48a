--- Loading and exchanging units while the host runs.
---
--- A unit is one file; its name is its path below the folder of scripts. A delivery of files goes through
---
---     what changed -> compile ("t") -> run into a draft -> seal -> check -> selftest -> commit (one assignment) -> retire
---
--- for all files that changed and all units that depend on them, together: every draft passes, or none is committed and
--- the units in use go on. A set that failed is held back, silently, until one of its files changes; other files are
--- loaded without it meanwhile. Files under lib/ are no units: units get them by script.require.
local Hooks = require "moonwire.script.hooks"
local Protocol = require "moonwire.script.protocol"
local Sandbox = require "moonwire.script.sandbox"
local Shape = require "moonwire.script.shape"

---@class Reload
---@field live table<string, table>  units and libraries in use, by name
---@field held table[]               sets that failed: { [name] = hash or false (no such file) }
local Reload = {}
Reload.__index = Reload

local MESSAGE_MAX = 2000 -- bytes of an error that are looked at
local STATE_DEPTH = 100

local KINDS = { protocol = Protocol, hooks = Hooks }

---@param core table  see moonwire.script
---@param base table  of Sandbox.base
---@return Reload
function Reload.new(core, base)
  return setmetatable({ core = core, base = base, live = {}, held = {}, committed = false }, Reload)
end

-- Errors ------------------------------------------------------------------------------------------------------------

--- "protocols/x.lua:3: reason [traceback: ...]" -> what a report needs. A place in our own library is of no use to
--- whoever wrote the unit: then the innermost place in a unit is taken.
---@param files table<string, table>  all units on disk
local function problem(name, message, files)
  message = tostring(message):sub(1, MESSAGE_MAX)
  local trace_at = message:find(" [traceback: ", 1, true)
  local text = trace_at and message:sub(1, trace_at - 1) or message
  local trace = trace_at and message:sub(trace_at) or ""
  local file, line, reason = text:match("^([^:\n]+):(%d+): (.*)$")
  if file and file:sub(1, 3) == "..." and not file:find("moonwire/script/", 1, true) then file = name end -- shortened
  if file and (file == name or files[file]) then
    return { file = file, unit = name, line = math.tointeger(tonumber(line)), reason = reason, full = message }
  end
  if file and file:find("moonwire/script/[%w_]+%.lua$") then text = reason end
  file, line = trace:match("^ %[traceback: ([^:\n]+):(%d+)")
  if not (file and files[file]) then return { file = name, reason = text, full = name .. ": " .. text .. trace } end
  return { file = file, unit = name, line = math.tointeger(tonumber(line)), reason = text,
    full = ("%s:%s: %s%s"):format(file, line, text, trace) }
end

-- State -------------------------------------------------------------------------------------------------------------

--- A deep copy of plain data. What is no plain data stays behind and is named in `left`.
local function copy_state(v, seen, path, left, depth)
  local kind = type(v)
  if kind == "table" and depth > STATE_DEPTH then
    left[#left + 1] = path:sub(1, 60) .. "... (too deep)"
    return nil
  end
  if kind ~= "table" then
    if kind == "function" or kind == "userdata" or kind == "thread" then
      left[#left + 1] = path
      return nil
    end
    return v
  end
  if seen[v] then return seen[v] end
  local out = {}
  seen[v] = out
  for key, value in next, v do
    local new_key = copy_state(key, seen, path .. "[key]", left, depth + 1)
    if new_key ~= nil then
      out[new_key] = copy_state(value, seen, path .. "." .. tostring(key), left, depth + 1)
    end
  end
  return out
end

-- Drafts ------------------------------------------------------------------------------------------------------------

--- One delivery under way.
---@class Batch
---@field files table<string, table>   on disk: { name, text, why, hash }
---@field set table<string, boolean>   names to load or to retire
---@field drafts table<string, table>
---@field problems table[]
---@field failed table<string, string> name -> reason
local Batch = {}
Batch.__index = Batch

function Batch:fail(name, message)
  if self.failed[name] then return end
  local p = problem(name, message, self.files)
  self.failed[name] = p.reason
  self.problems[#self.problems + 1] = p
end

local function library_name(name)
  name = tostring(name)
  if not name:find("%.lua$") then name = name .. ".lua" end
  return name
end

--- script.require, for a draft.
function Batch:require(draft, name)
  name = library_name(name)
  if name:sub(1, 4) ~= "lib/" then
    error(('script.require loads from lib/, for example script.require "lib/convert", not %q'):format(name), 0)
  end
  draft.deps[name] = true
  local library
  if self.set[name] then
    if self.loading[name] then error(("%s is required by itself, by way of %s"):format(name, draft.name), 0) end
    if not self.files[name] then error(("there is no file %s"):format(name), 0) end
    self:load(name)
    if self.failed[name] then error(("%s has a problem of its own: %s"):format(name, self.failed[name]), 0) end
    library = self.drafts[name]
  else
    library = self.reload.live[name]
    if not library then
      error(self.files[name] and ("%s has a problem of its own, see the log"):format(name)
        or ("there is no file %s"):format(name), 0)
    end
  end
  for dependency in pairs(library.deps) do
    draft.deps[dependency] = true
  end
  return library.value
end

--- The table `script` of a unit.
function Batch:script_api(draft, old)
  local located = self.reload.core.located
  local function loading(name)
    if draft.sealed then error(("script.%s works only while the file loads"):format(name), 0) end
  end
  return Sandbox.frozen({
    name = draft.name,
    state = draft.state,
    require = located(function(where, name)
      loading "require"
      local ok, value = pcall(self.require, self, draft, name)
      if not ok then error(where .. ": " .. tostring(value), 0) end
      return value
    end),
    migrate = located(function(where, fn)
      loading "migrate"
      Shape.new(where):expect(fn, "script.migrate", "function", "function(old) return { ... } end")
      if not old then return end
      local new = fn(draft.state)
      if type(new) ~= "table" then error(where .. ": script.migrate must return the new state, a table", 0) end
      if new == draft.state then return end
      new = copy_state(new, {}, "state", {}, 1)
      for key in pairs(draft.state) do
        draft.state[key] = nil
      end
      for key, value in pairs(new) do
        draft.state[key] = value
      end
    end),
    selftest = located(function(where, fn)
      loading "selftest"
      draft.selftest = Shape.new(where):expect(fn, "script.selftest", "function", "function(t) ... end")
    end),
  }, "script")
end

--- `protocol` and `hooks`, for a draft.
function Batch:declarations(draft)
  local out = {}
  for kind, module in pairs(KINDS) do
    out[kind] = self.reload.core.located(function(where, declaration)
      if draft.sealed then error(("%s: %s { } works only while the file loads"):format(where, kind), 0) end
      if draft.is_library then error(("%s: a file under lib/ declares nothing"):format(where), 0) end
      if draft.declaration then
        error(("%s: a file has one declaration; the first is at %s"):format(where, draft.declaration.where), 0)
      end
      draft.declaration = module.declare(declaration, where)
      draft.token = Sandbox.frozen({}, kind)
      return draft.token
    end)
  end
  return out
end

function Batch:new_draft(name)
  local file, old, left = self.files[name], self.reload.live[name], {}
  local draft = {
    name = name,
    slot = self.reload.core.slot(name),
    hash = file.hash,
    deps = {},
    is_library = name:sub(1, 4) == "lib/",
    state = copy_state(old and old.state or {}, {}, "state", left, 1),
  }
  if left[1] then
    self.reload.core.log("warn", "RELOAD", ("%s: script.state keeps plain data only; %s is left behind"):format(name,
      table.concat(left, ", ")))
  end
  return draft, old
end

local function check_draft(draft)
  if draft.is_library then return true end
  if not draft.declaration then
    return nil, "the file declares nothing: end it with `return protocol { ... }` or `return hooks { ... }`"
  end
  if draft.value ~= draft.token then return nil, "the file must return its declaration: `return protocol { ... }`" end
  return true
end

--- Compiles and runs one file into a draft; problems go to the batch.
function Batch:load(name)
  if self.drafts[name] or self.failed[name] then return end
  local file, core = self.files[name], self.reload.core
  if file.why then return self:fail(name, file.why) end
  local draft, old = self:new_draft(name)
  local own = self:declarations(draft)
  own.script = self:script_api(draft, old)
  local env, seal = Sandbox.env(self.reload.base, own)
  local source = file.text:sub(1, 3) == "\xEF\xBB\xBF" and file.text:sub(4) or file.text -- editors' byte order mark
  local chunk, why = load(source, "@" .. name, "t", env) -- "t": never bytecode
  if not chunk then return self:fail(name, why) end
  self.loading[name] = true
  local ok, value = core.guard(draft.slot, chunk)
  self.loading[name] = nil
  draft.sealed = true
  seal()
  if not ok then return self:fail(name, value) end
  draft.value = value
  ok, why = check_draft(draft)
  if not ok then return self:fail(name, why) end
  self.drafts[name] = draft
end

-- Checks of the whole -----------------------------------------------------------------------------------------------

local function sorted_names(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- What would be in use after the commit.
function Batch:merged()
  local next_live = {}
  for name, unit in pairs(self.reload.live) do
    if not self.set[name] then next_live[name] = unit end
  end
  for name, draft in pairs(self.drafts) do
    if not self.failed[name] then next_live[name] = draft end
  end
  return next_live
end

--- Two units must not declare the same resource: it would depend on chance which one wins.
function Batch:check_clashes()
  local owners = {}
  local merged = self:merged()
  for _, name in ipairs(sorted_names(merged)) do
    local d = merged[name].declaration
    for rid in pairs(d and d.kind == "protocol" and d.resources or {}) do
      local key = ("/%d/*/%d"):format(d.object, rid)
      local other = owners[key]
      if not other then
        owners[key] = name
      else
        local culprit = self.drafts[name] and name or other -- one of the two is new
        local rival = culprit == name and other or name
        self:fail(culprit, ("%s: resource %s is declared by %s already (%s)"):format(
          merged[culprit].declaration.where, key, rival, merged[rival].declaration.where))
      end
    end
  end
end

local function same(a, b)
  if type(a) == "number" and type(b) == "number" then return a == b or math.abs(a - b) <= 1e-9 * math.abs(a) end
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in next, a do
    if not same(value, b[key]) then return false end
  end
  for key in next, b do
    if a[key] == nil then return false end
  end
  return true
end

--- What a selftest gets: comparisons that say what was wrong and where.
local function test_api(core, draft)
  local function comparison(name, is_good)
    return core.located(function(where, wanted, got)
      if not is_good(wanted, got) then
        error(("%s: selftest: t.%s wanted %s, got %s"):format(where, name, Shape.show(wanted), Shape.show(got)), 0)
      end
    end)
  end
  local api = draft.declaration and KINDS[draft.declaration.kind].test_api(draft.declaration) or {}
  api.equal = comparison("equal", rawequal)
  api.same = comparison("same", same)
  api.is_true = core.located(function(where, got)
    if got ~= true then error(("%s: selftest: wanted true, got %s"):format(where, Shape.show(got)), 0) end
  end)
  return Sandbox.frozen(api, "t")
end

function Batch:selftest(name)
  local draft, core = self.drafts[name], self.reload.core
  for _, fn in ipairs { draft.declaration and draft.declaration.selftest or false, draft.selftest or false } do
    if fn and not self.failed[name] then
      local ok, why = core.guard(draft.slot, fn, test_api(core, draft))
      if not ok then self:fail(name, why) end
    end
  end
end

-- What to load ------------------------------------------------------------------------------------------------------

local function hash_on_disk(files, name)
  return files[name] and files[name].hash or false
end

--- True when nothing of a set that failed has changed since.
local function is_as_it_failed(group, files)
  for name, hash in pairs(group) do
    if hash_on_disk(files, name) ~= hash then return false end
  end
  return true
end

local function add_dependants(set, live)
  for name, unit in pairs(live) do
    for dependency in pairs(unit.deps) do
      if set[dependency] then set[name] = true end -- deps holds the indirect ones too
    end
  end
end

--- Names whose text on disk is not the one in use; without those held back, unless `all`.
function Reload:changed(files, all)
  local set = {}
  for name, file in pairs(files) do
    if not self.live[name] or self.live[name].hash ~= file.hash then set[name] = true end
  end
  for name in pairs(self.live) do
    if not files[name] then set[name] = true end
  end
  for _, group in ipairs(self.held) do
    local keep_back = not all and is_as_it_failed(group, files)
    for name in pairs(group) do
      set[name] = not keep_back and (set[name] or files[name] ~= nil or self.live[name] ~= nil) or nil
    end
  end
  return set
end

function Reload:files_by_name(list)
  local files = {}
  for _, file in ipairs(list) do
    file.hash = file.why and "unreadable: " .. file.why or self.core.hash(file.text)
    files[file.name] = file
  end
  return files
end

function Reload:new_batch(files, options)
  local set
  if options.only then
    set = { [options.only] = true }
  else
    set = self:changed(files, options.check_only)
  end
  add_dependants(set, self.live)
  return setmetatable({
    reload = self,
    files = files,
    set = set,
    drafts = {},
    failed = {},
    problems = {},
    loading = {},
  }, Batch)
end

-- The end of a batch ------------------------------------------------------------------------------------------------

--- The tables that C walks; src/script/plan.h.
function Reload.plan(live)
  local rules, hooks = {}, {}
  for _, name in ipairs(sorted_names(live)) do
    local unit = live[name]
    if unit.declaration then
      local kind = unit.declaration.kind
      KINDS[kind].plan(kind == "protocol" and rules or hooks, unit.declaration, unit.slot)
    end
  end
  table.sort(rules, function(a, b)
    if a.oid ~= b.oid then return a.oid < b.oid end
    return a.rid < b.rid
  end)
  return { rules = rules, hooks = hooks }
end

function Reload:forget_held(set)
  for i = #self.held, 1, -1 do
    for name in pairs(self.held[i]) do
      if set[name] then
        table.remove(self.held, i)
        break
      end
    end
  end
end

function Reload:hold(batch, names)
  self:forget_held(batch.set)
  if next(names) == nil then return end
  local group = {}
  for name in pairs(names) do
    group[name] = hash_on_disk(batch.files, name)
  end
  self.held[#self.held + 1] = group
end

function Reload:commit(batch)
  local next_live = batch:merged()
  local plan = self.core.plan(Reload.plan(next_live)) -- may raise: then nothing has happened yet
  local loaded, retired = {}, {}
  for _, name in ipairs(sorted_names(batch.set)) do
    local draft, old = batch.drafts[name], self.live[name]
    if draft and not batch.failed[name] then
      loaded[#loaded + 1] = { slot = draft.slot, hash = draft.hash }
    elseif old then
      retired[#retired + 1] = { slot = old.slot }
    end
  end
  self.core.commit(plan, loaded, retired) -- raises before it changes anything, or not at all
  self.live = next_live -- the only commit point
  self.committed = true
  return #loaded, #retired
end

local function reports_of(batch)
  local out, bad = {}, {}
  for _, p in ipairs(batch.problems) do
    bad[p.file], bad[p.unit or p.file] = true, true
    out[#out + 1] = { file = p.file, line = p.line, reason = p.reason, ok = false }
  end
  for _, name in ipairs(sorted_names(batch.set)) do
    if not bad[name] and batch.files[name] then out[#out + 1] = { file = name, reason = "", ok = true } end
  end
  return out
end

function Reload:log_problems(batch)
  for _, p in ipairs(batch.problems) do
    self.core.failed(self.core.slot(p.unit or p.file), p.full)
  end
end

--- Loads what changed.
---@param list table[]    all files: { name =, text =, why = (unreadable) }
---@param options table   check_only, lenient (first load: leave out what fails), only = name
---@return boolean ok     nothing to do, or done
---@return table[] reports  { file =, line =, reason =, ok = }
---@return string summary
function Reload:apply(list, options)
  local files = self:files_by_name(list)
  if options.only and not files[options.only] and not self.live[options.only] then
    return false, { { file = options.only, reason = "no such unit", ok = false } }, "no such unit"
  end
  local batch = self:new_batch(files, options)
  if next(batch.set) == nil then return true, {}, "nothing changed" end
  for _, name in ipairs(sorted_names(batch.set)) do
    if files[name] then batch:load(name) end
  end
  batch:check_clashes()
  for _, name in ipairs(sorted_names(batch.drafts)) do
    batch:selftest(name)
  end
  local n_problems = #batch.problems
  if options.check_only then return n_problems == 0, reports_of(batch), n_problems .. " problems" end
  self:log_problems(batch)
  if n_problems > 0 and not (options.lenient and not self.committed) then
    self:hold(batch, batch.set)
    return false, reports_of(batch), ("nothing is exchanged: %d of %d files have problems"):format(n_problems,
      #sorted_names(batch.set))
  end
  local n_loaded, n_retired = self:commit(batch)
  self:hold(batch, batch.failed)
  return n_problems == 0, reports_of(batch), ("%d loaded, %d removed, %d left out"):format(n_loaded, n_retired, n_problems)
end

return Reload
