-- bench/load.lua: one request, again and again. What to send comes from the environment, so that no token stands in a command line.
local body, count = os.getenv("BENCH_BODY"), 0
wrk.method = os.getenv("BENCH_METHOD")
wrk.path = os.getenv("BENCH_PATH")
wrk.body = body
if body then wrk.headers["Content-Type"] = "application/json" end
if os.getenv("BENCH_TOKEN") then wrk.headers["X-Authorization"] = os.getenv("BENCH_TOKEN") end

-- "<number>" in the body makes each request another one; without it wrk sends one prepared request.
if body and body:find("<number>", 1, true) then
    request = function()
        count = count + 1
        return wrk.format(nil, nil, nil, (body:gsub("<number>", tostring(count))))
    end
end

done = function(summary, latency, requests)
    local e = summary.errors
    io.write(string.format("done %d %d %d\n", summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
