// How many cores this process may use.
#pragma once

namespace avatar_rt {

// Those that the process is allowed to run on (taskset, cpusets, containers), at least one. The
// standard library's hardware_concurrency counts the machine's instead.
int usable_cores();

}  // namespace avatar_rt
