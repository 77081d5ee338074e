// The one pool of threads of this process.
#pragma once

namespace avatar_rt::cpu {

// Runs work(context, item, worker) for each of `items`, on the calling thread and at most
// threads - 1 of the pool's; worker is below `threads` and held by one thread at a time. Several
// callers may run at once. Idle threads sleep. The first exception is rethrown.
void parallel(int threads, int items, void (*work)(void*, int item, int worker), void* context);

}  // namespace avatar_rt::cpu
