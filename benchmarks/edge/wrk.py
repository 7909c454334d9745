"""The same load by wrk, a public tool: how fast a full cache is; every body is checked there too.

A body is right if its length and CRC-32 are those that its ETag stands for; that each name has the
right ETag is what our own clients look at.
"""

from __future__ import annotations

import json
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.edge.stack import program

SCRIPT: Final = """
local bit = require "bit"
local known, paths, crcs = {}, {}, {}
for n = 0, 255 do
  local c = n
  for _ = 1, 8 do
    if bit.band(c, 1) == 1 then c = bit.bxor(0xEDB88320, bit.rshift(c, 1))
    else c = bit.rshift(c, 1) end
  end
  crcs[n] = c
end
local function crc32(s)
  local c = -1
  for i = 1, #s do
    c = bit.bxor(crcs[bit.band(bit.bxor(c, s:byte(i)), 255)], bit.rshift(c, 8))
  end
  return bit.bnot(c)
end
local threads = {}
function setup(thread) table.insert(threads, thread); thread:set("number", #threads) end
function init(args)
  for line in io.lines(args[1]) do
    paths[#paths + 1] = wrk.format("GET", line, {Accept = args[3]})
  end
  for line in io.lines(args[2]) do
    local tag, sum = line:match("^(%S+) (%S+)$")
    known[tag] = tonumber(sum)
  end
  at = math.floor(#paths / 2) * (number - 1)
  right, wrong, unknown, from_nginx = 0, 0, 0, 0
end
function request()
  at = at % #paths + 1
  return paths[at]
end
function response(status, headers, body)
  local tag = headers["ETag"] or headers["etag"] or headers["Etag"] or ""
  local sum = known[tag]
  if headers["X-Cache"] == "HIT" then from_nginx = from_nginx + 1 end
  if status ~= 200 then wrong = wrong + 1
  elseif sum == nil then unknown = unknown + 1
  elseif sum ~= bit.tobit(crc32(body)) then wrong = wrong + 1
  else right = right + 1 end
end
function done(summary, latency, requests)
  local sums = {right = 0, wrong = 0, unknown = 0, from_nginx = 0}
  for _, thread in ipairs(threads) do
    for name in pairs(sums) do sums[name] = sums[name] + thread:get(name) end
  end
  local e = summary.errors
  local lost = e.connect + e.read + e.write + e.timeout
  io.write(string.format(
    '\\nRESULT {"requests": %d, "seconds": %.3f, "right": %d, "wrong": %d, "unknown": %d, ' ..
    '"from_nginx": %d, "lost": %d, "p50": %.6f, "p95": %.6f, "p99": %.6f}\\n',
    summary.requests, summary.duration / 1e6, sums.right, sums.wrong, sums.unknown,
    sums.from_nginx, lost, latency:percentile(50) / 1e6, latency:percentile(95) / 1e6,
    latency:percentile(99) / 1e6))
end
"""


@dataclass(frozen=True)
class Measured:
    """What wrk saw.

    Attributes:
        requests: that were answered.
        seconds: that it took.
        right, wrong, unknown: by their bodies; unknown are of tags that were not seen before.
        from_nginx: answered out of its cache.
        lost: failures of connections.
        p50, p95, p99: seconds.
    """

    requests: int
    seconds: float
    right: int
    wrong: int
    unknown: int
    from_nginx: int
    lost: int
    p50: float
    p95: float
    p99: float


def wrk(
    url: str,
    names: Sequence[str],
    accept: str,
    tags: Mapping[str, bytes],
    folder: Path,
    *,
    connections: int,
    seconds: int,
) -> Measured:
    """Runs wrk in two threads.

    Args:
        url: of the server.
        names: to ask for, in turn.
        accept: of all clients.
        tags: the body that each ETag stands for.
        folder: for its files.
        connections: in all.
        seconds: how long.
    """
    script, paths, sums = (folder / name for name in ("wrk.lua", "paths.txt", "sums.txt"))
    script.write_text(SCRIPT, "utf-8")
    paths.write_text("".join(f"/{name}\n" for name in names), "utf-8")
    lines = []
    for tag, body in tags.items():
        signed = (zlib.crc32(body) ^ 1 << 31) - (1 << 31)  # as LuaJIT's bit operations have it
        lines.append(f"{tag} {signed}\n")
    sums.write_text("".join(lines), "utf-8")
    command = [program("wrk"), "-t", "2", "-c", str(connections), "-d", f"{seconds}s"]
    command += ["-s", str(script), url, "--", str(paths), str(sums), accept]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Measured(**json.loads(text.partition("RESULT ")[2]))
