// A blended pixel in the caller's format; the numbers are those of cpu/output.h.
#pragma once

#include "cuda/jobs.h"

namespace avatar_rt::cuda {

__device__ __forceinline__ std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(value);
}

// [0, 1] as 0 … 255, rounded to the nearest.
__device__ __forceinline__ std::uint8_t quantized(float value) {
  return to_byte(__saturatef(value) * 255.0f + 0.5f);
}

// W × H of 8-bit Y, then quarters of U and V, each by itself (i420) or in turns (nv12); BT.601,
// studio range. Chroma is the mean of two by two pixels, which are lanes of this warp.
__device__ __forceinline__ void write_yuv(const ViewJob& job, int x, int y, bool inside,
                                          const float (&rgb)[3]) {
  const float r = __saturatef(rgb[0]), g = __saturatef(rgb[1]), b = __saturatef(rgb[2]);
  float blue = 112.0f * b - 37.797f * r - 74.203f * g;
  float red = 112.0f * r - 93.786f * g - 18.214f * b;
  for (const int beside : {1, kPatchWidth}) {
    blue += __shfl_xor_sync(kAll, blue, beside);
    red += __shfl_xor_sync(kAll, red, beside);
  }
  if (!inside) return;
  const auto width = static_cast<std::size_t>(job.width);
  const std::size_t pixels = width * static_cast<std::size_t>(job.height);
  auto* out = static_cast<std::uint8_t*>(job.image);
  out[static_cast<std::size_t>(y) * width + x] =
      to_byte(65.481f * r + 128.553f * g + 24.966f * b + 16.5f);
  if (x % 2 != 0 || y % 2 != 0) return;
  const std::size_t at = static_cast<std::size_t>(y / 2) * (width / 2) + x / 2;
  const bool planar = job.target == Target::i420;
  out[pixels + (planar ? at : 2 * at)] = to_byte(0.25f * blue + 128.5f);
  out[pixels + (planar ? at + pixels / 4 : 2 * at + 1)] = to_byte(0.25f * red + 128.5f);
}

// What a lane's pixel shows: its transmittance and its colour, premultiplied. All lanes of a warp
// call it; `inside` where the pixel is one of the picture's.
__device__ __forceinline__ void write_pixel(const ViewJob& job, int x, int y, bool inside, float T,
                                            float (&rgb)[3]) {
  if (job.opaque) {
    for (int c = 0; c < 3; ++c) rgb[c] += T * job.background[c];
  }
  if (job.target == Target::i420 || job.target == Target::nv12) {
    write_yuv(job, x, y, inside, rgb);
    return;
  }
  if (!inside) return;
  const std::size_t at = static_cast<std::size_t>(y) * job.width + x;
  const float alpha = 1 - T;
  if (job.target == Target::rgba_float) {
    static_cast<float4*>(job.image)[at] = make_float4(rgb[0], rgb[1], rgb[2], alpha);
    return;
  }
  auto* out = static_cast<std::uint8_t*>(job.image);
  if (job.target == Target::rgb8) {
    for (int c = 0; c < 3; ++c) out[3 * at + c] = quantized(rgb[c]);
    return;
  }
  const float scale = alpha > 0 ? 1 / alpha : 0;  // rgba8 is straight
  std::uint32_t pixel = static_cast<std::uint32_t>(quantized(alpha)) << 24;
  for (int c = 0; c < 3; ++c) {
    pixel |= static_cast<std::uint32_t>(quantized(rgb[c] * scale)) << (8 * c);
  }
  static_cast<std::uint32_t*>(job.image)[at] = pixel;
}

}  // namespace avatar_rt::cuda
