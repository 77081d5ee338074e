// A blended block's sixteen pixels in the caller's format.
#pragma once

#include "core/backend.h"
#include "math/lane.h"

namespace avatar_rt::AVATAR_RT_ISA {

// Where a block's pixel is among its sixteen (cpu/block_row.h).
constexpr int pixel_at(int row, int column) { return kBlock * column + row; }

// [0, 1] as 0 … 255, rounded to the nearest.
AVATAR_RT_INLINE I quantize(F v) {
  return floor_int(clamp(v, F{}, splat(1.0f)) * 255.0f + 0.5f);
}

// image is W × H of 8-bit Y, then U and V: for i420 a quarter plane of each, for nv12 one half plane
// of their pairs; BT.601, studio range. Chroma is the mean of two by two pixels.
AVATAR_RT_INLINE void write_yuv(const BlendArgs& args, int x, int y, const float* rgb, int columns,
                                int rows) {
  alignas(64) float luma[16], blue[16], red[16];
  for (int k = 0; k < kBlockPixels; k += kWidth) {
    const F r = clamp(load(rgb + k), F{}, splat(1.0f));
    const F g = clamp(load(rgb + 16 + k), F{}, splat(1.0f));
    const F b = clamp(load(rgb + 32 + k), F{}, splat(1.0f));
    store(luma + k, 65.481f * r + 128.553f * g + 24.966f * b + 16.5f);
    store(blue + k, 112.0f * b - 37.797f * r - 74.203f * g);
    store(red + k, 112.0f * r - 93.786f * g - 18.214f * b);
  }
  const std::size_t width = static_cast<std::size_t>(args.width);
  const std::size_t pixels = width * static_cast<std::size_t>(args.height);
  auto* out = static_cast<std::uint8_t*>(args.image);
  for (int row = 0; row < rows; ++row) {
    std::uint8_t* line = out + (y + row) * width + x;
    for (int c = 0; c < columns; ++c) line[c] = static_cast<std::uint8_t>(luma[pixel_at(row, c)]);
  }
  const bool pairs = args.target == Target::nv12;
  const std::size_t step = pairs ? 2 : 1;
  for (int row = 0; row < rows; row += 2) {
    std::uint8_t* u = out + pixels + ((y + row) / 2 * (width / 2) + x / 2) * step;
    std::uint8_t* v = u + (pairs ? 1 : pixels / 4);
    for (int c = 0; c < columns; c += 2) {
      const auto mean = [&](const float* plane) __attribute__((always_inline)) {
        const float* p = plane + pixel_at(row, c);
        return static_cast<std::uint8_t>(
            0.25f * (p[0] + p[1] + p[kBlock] + p[kBlock + 1]) + 128.5f);
      };
      u[c / 2 * step] = mean(blue);
      v[c / 2 * step] = mean(red);
    }
  }
}

// Asks for the picture's cache lines of a tile before they are written.
AVATAR_RT_INLINE void expect_tile(const BlendArgs& args, int x, int y) {
  if (args.target == Target::floats || args.target == Target::rgba_float) return;
  const std::size_t pixel =
      args.target == Target::rgb8 ? 3 : args.target == Target::rgba8 ? 4 : 1;
  const std::size_t width = static_cast<std::size_t>(args.width);
  const int bottom = y + kTile < args.height ? y + kTile : args.height;
  const std::size_t row_bytes = pixel * (x + kTile < args.width ? kTile : args.width - x);
  for (int row = y; row < bottom; ++row) {
    const char* line = static_cast<const char*>(args.image) + pixel * (row * width + x);
    for (std::size_t k = 0; k < row_bytes; k += 64) __builtin_prefetch(line + k, 1);
  }
}

// state: T, then each channel, sixteen floats each; changed where a background is laid under.
[[gnu::noinline]] static void write_block(const BlendArgs& args, int x, int y, float* state) {
  float* color = state + 16;
  if (args.background != nullptr) {
    for (int k = 0; k < kBlockPixels; k += kWidth) {
      const F T = load(state + k);
      for (int c = 0; c < args.channels; ++c) {
        store(color + 16 * c + k, load(color + 16 * c + k) + T * args.background[c]);
      }
    }
  }
  const int columns = args.width - x < kBlock ? args.width - x : kBlock;
  const int rows = args.height - y < kBlock ? args.height - y : kBlock;
  const std::size_t width = static_cast<std::size_t>(args.width);
  switch (args.target) {
    case Target::floats: {
      auto* out = static_cast<float*>(args.image);
      for (int row = 0; row < rows; ++row) {
        for (int c = 0; c < columns; ++c) {
          const std::size_t at = (y + row) * width + x + c;
          args.alpha[at] = 1 - state[pixel_at(row, c)];
          for (int i = 0; i < args.channels; ++i) {
            out[at * args.channels + i] = color[16 * i + pixel_at(row, c)];
          }
        }
      }
      return;
    }
    case Target::rgba_float: {
      auto* out = static_cast<float*>(args.image);
      for (int row = 0; row < rows; ++row) {
        for (int c = 0; c < columns; ++c) {
          float* pixel = out + 4 * ((y + row) * width + x + c);
          const int k = pixel_at(row, c);
          pixel[0] = color[k];
          pixel[1] = color[16 + k];
          pixel[2] = color[32 + k];
          pixel[3] = 1 - state[k];
        }
      }
      return;
    }
    case Target::i420:
    case Target::nv12:
      write_yuv(args, x, y, color, columns, rows);
      return;
    case Target::rgb8: {
      typedef std::uint8_t Bytes __attribute__((vector_size(16)));
      typedef std::int32_t Line __attribute__((vector_size(16)));
      alignas(64) std::int32_t pixels[kBlockPixels];
      for (int k = 0; k < kBlockPixels; k += kWidth) {
        const I r = quantize(load(color + k)), g = quantize(load(color + 16 + k));
        store(pixels + k, r | g << 8 | quantize(load(color + 32 + k)) << 16);
      }
      Line c[kBlock];
      std::memcpy(c, pixels, sizeof c);
      const Line c01 = __builtin_shufflevector(c[0], c[1], 0, 4, 1, 5);
      const Line c23 = __builtin_shufflevector(c[2], c[3], 0, 4, 1, 5);
      const Line d01 = __builtin_shufflevector(c[0], c[1], 2, 6, 3, 7);
      const Line d23 = __builtin_shufflevector(c[2], c[3], 2, 6, 3, 7);
      const Line lines[kBlock] = {__builtin_shufflevector(c01, c23, 0, 1, 4, 5),
                                  __builtin_shufflevector(c01, c23, 2, 3, 6, 7),
                                  __builtin_shufflevector(d01, d23, 0, 1, 4, 5),
                                  __builtin_shufflevector(d01, d23, 2, 3, 6, 7)};
      for (int row = 0; row < rows; ++row) {
        std::uint8_t* line = static_cast<std::uint8_t*>(args.image) + 3 * ((y + row) * width + x);
        Bytes four = (Bytes)lines[row];
        four = __builtin_shufflevector(four, four, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11,
                                       15);
        if (columns == kBlock) {
          std::memcpy(line, &four, 12);
        } else {
          for (int i = 0; i < 3 * columns; ++i) line[i] = four[i];
        }
      }
      return;
    }
    case Target::rgba8: {
      alignas(64) float straight[3][16], alpha[16];
      for (int k = 0; k < 16; ++k) {
        alpha[k] = 1 - state[k];
        const float scale = alpha[k] > 0 ? 1 / alpha[k] : 0;
        for (int c = 0; c < 3; ++c) straight[c][k] = color[16 * c + k] * scale;
      }
      alignas(64) std::int32_t v[4][16];
      for (int k = 0; k < kBlockPixels; k += kWidth) {
        for (int c = 0; c < 3; ++c) store(v[c] + k, quantize(load(straight[c] + k)));
        store(v[3] + k, quantize(load(alpha + k)));
      }
      for (int row = 0; row < rows; ++row) {
        std::uint8_t* line = static_cast<std::uint8_t*>(args.image) + 4 * ((y + row) * width + x);
        for (int c = 0; c < columns; ++c) {
          for (int i = 0; i < 4; ++i) {
            line[4 * c + i] = static_cast<std::uint8_t>(v[i][pixel_at(row, c)]);
          }
        }
      }
      return;
    }
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
