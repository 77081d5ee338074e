// CUDA's small structs of numbers, with the sizes and alignments that they have on the device.
#pragma once

#define AVATAR_RT_EMULATED_VECTORS(type, name, align2, align4)                                     \
  struct name##1 { type x; };                                                                      \
  struct alignas(align2) name##2 { type x, y; };                                                   \
  struct name##3 { type x, y, z; };                                                                \
  struct alignas(align4) name##4 { type x, y, z, w; };                                             \
  constexpr name##1 make_##name##1(type x) { return {x}; }                                         \
  constexpr name##2 make_##name##2(type x, type y) { return {x, y}; }                              \
  constexpr name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                   \
  constexpr name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }

AVATAR_RT_EMULATED_VECTORS(signed char, char, 2, 4)
AVATAR_RT_EMULATED_VECTORS(unsigned char, uchar, 2, 4)
AVATAR_RT_EMULATED_VECTORS(short, short, 4, 8)
AVATAR_RT_EMULATED_VECTORS(unsigned short, ushort, 4, 8)
AVATAR_RT_EMULATED_VECTORS(int, int, 8, 16)
AVATAR_RT_EMULATED_VECTORS(unsigned int, uint, 8, 16)
AVATAR_RT_EMULATED_VECTORS(long long, longlong, 16, 16)
AVATAR_RT_EMULATED_VECTORS(unsigned long long, ulonglong, 16, 16)
AVATAR_RT_EMULATED_VECTORS(float, float, 8, 16)
AVATAR_RT_EMULATED_VECTORS(double, double, 16, 16)
#undef AVATAR_RT_EMULATED_VECTORS

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int x = 1, unsigned int y = 1, unsigned int z = 1) : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
