--- tools/layers.lua in a small tree of its own: what it must report, and what it must leave alone.
local function sh(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read("a")
  local ok = pipe:close()
  return ok == true, text
end

local root

local function write(path, text)
  assert(os.execute(("mkdir -p '%s/%s'"):format(root, path:match("^(.*)/"))))
  local file = assert(io.open(root .. "/" .. path, "w"))
  file:write(text)
  file:close()
end

local function check()
  return sh(("lua5.4 tools/layers.lua '%s'"):format(root))
end

describe("tools/layers.lua", function()
  before_each(function()
    root = os.tmpname()
    os.remove(root)
    write("src/base/buf.h", "#pragma once\n#include <stddef.h>\n")
    write("src/codec/tlv.c", '#include "base/buf.h"\n#include "codec/tlv.h"\n#include <string.h>\n')
  end)
  after_each(function()
    os.execute(("rm -rf '%s'"):format(root))
  end)

  it("accepts a tree in order", function()
    write("src/script/l_sim.c", '#include "sim/sim.h"\n#include <lua.h>\nint x(void) { lua_pcall(); }\n')
    write("src/base/buf.h", '#include "moonwire.h"\n')
    write("src/sim/sim.c", '#include "codec/tlv.h"\n#include <coap3/coap.h>\n')
    write("src/moonwire.h", "#pragma once\n#include <stdint.h>\n")
    local ok, text = check()
    assert.is_true(ok, text)
    assert.equal("5 files, 0 problems\n", text)
  end)

  -- file, its text, line of the problem, words that the report must contain
  local wrong = {
    { "src/base/buf.c", '\n#include "codec/tlv.h"\n', 2, "layer base must not include codec/tlv.h" },
    { "src/net/udp.c", '#include <coap/endpoint.h>\n', 1, "layer net must not include coap/endpoint.h" },
    { "src/net/udp.c", '  #  include "store/store.h"\n', 1, "layer net must not include store/store.h" },
    { "src/sim/sim.c", '#include "net/udp.h"\n', 1, "layer sim must not include net/udp.h" },
    { "src/host/host.c", '#include "sim/sim.h"\n', 1, "layer host must not include sim/sim.h" },
    { "src/host/host.c", '#include "host.h"\n', 1, 'write "host/host.h"' },
    { "src/host/host.c", "#include <lua.h>\n", 1, "only script, app may" },
    { "src/sim/sim.c", "#include <lauxlib.h>\n", 1, "only script, app may" },
    { "src/lwm2m/op.c", "#include <coap3/coap.h>\n", 1, "only coap, sim may" },
    { "src/coap/peer.c", "#include <openssl/ssl.h>\n", 1, "only net may" },
    { "src/codec/x.c", "#include <expat.h>\n", 1, "only model may" },
    { "src/host/x.c", "#include <csv.h>\n", 1, "only model may" },
    { "src/host/x.c", "#include <sqlite3.h>\n", 1, "only store may" },
    { "src/coap/x.c", "#include <uv.h>\n", 1, "only net, store, host may" },
    { "src/moonwire.h", '#include "base/buf.h"\n', 1, "includes no header of ours" },
    { "src/host/x.c", "/* a\n comment */\nint f(void) { return lua_pcall(L, 0, 0, 0); }\n", 3, "lua_pcall only in" },
    { "src/extra/x.c", "\n", 1, "folder extra is no layer" },
  }
  for _, case in ipairs(wrong) do
    local path, source, line, words = table.unpack(case)
    it(("reports %s in %s"):format(source:match("[^\n]+"), path), function()
      write(path, source)
      local ok, text = check()
      assert.is_false(ok, text)
      assert.truthy(text:find(("%s:%d: "):format(path, line), 1, true), text)
      assert.truthy(text:find(words, 1, true), text)
      assert.truthy(text:find(" 1 problems", 1, true), text)
    end)
  end

  it("ignores comments and strings", function()
    write("src/base/log.c", '/*\n#include "app/main.h"\n*/\n// #include <lua.h>\n')
    write("src/base/err.c", 'static const char *s = "lua_pcall \\" lua_call";\n')
    local ok, text = check()
    assert.is_true(ok, text)
  end)

  it("fails where there is no source at all", function()
    os.execute(("rm -rf '%s/src'"):format(root))
    local ok, text = check()
    assert.is_false(ok, text)
  end)
end)
