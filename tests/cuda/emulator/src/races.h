// What the scheduler tells the race checker (races/): who runs, and what orders whom. Without the
// checker these are nothing.
#pragma once

namespace emulated::races {

#if defined(AVATAR_RT_EMULATED_RACES)
void launch_starts();
void launch_ends();
void block_starts(int threads);
void thread_runs(int number);
void barrier_passed();
void synced(int first_thread, unsigned mask);
#else
inline void launch_starts() {}
inline void launch_ends() {}
inline void block_starts(int) {}
inline void thread_runs(int) {}
inline void barrier_passed() {}
inline void synced(int, unsigned) {}
#endif

}  // namespace emulated::races
