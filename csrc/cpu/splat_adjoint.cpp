// The adjoint of blending a tile. Where the forward pass walks block by block, this one walks splat
// by splat: its sums stay in registers over all the blocks that it touches and are folded once,
// while the tile's pixels (transmittance, what is still to come, the picture's gradient) stay in the
// first-level cache.
#include "core/chain.h"
#include "core/splat_args.h"
#include "cpu/block_row.h"
#include "cpu/reduce.h"
#include "cpu/stages.h"
#include "math/blend_adjoint.h"

namespace avatar_rt::AVATAR_RT_ISA {
namespace {

// A block's state, its pixels line by line (unlike cpu/block_row.h's): T, what is still to come of Σ w·p, and
// the picture's gradient per channel; sixteen floats each. Pixels beyond the picture's edge have no
// gradient. `totals` are Σ T_end·g of each channel and, last, a sum that is NaN where anything read is
// not finite.
void load_any_block(const SplatAdjointArgs& args, int x, int y, float* state, float* totals) {
  const BlendArgs& b = *args.blend;
  const auto channels = static_cast<std::size_t>(b.channels);
  for (int k = 0; k < kBlockPixels; ++k) {
    const int px = x + k % 4, py = y + k / 4;
    state[k] = 1;
    state[16 + k] = 0;
    if (px >= b.width || py >= b.height) {
      for (std::size_t c = 0; c < channels; ++c) state[16 * (2 + c) + k] = 0;
      continue;
    }
    const std::size_t at = static_cast<std::size_t>(py) * b.width + px;
    const float *g = args.image_gradient + at * channels, *seen = args.image + at * channels;
    const float end = 1 - args.alpha[at];
    float come = args.alpha_gradient == nullptr ? 0 : -end * args.alpha_gradient[at];
    for (std::size_t c = 0; c < channels; ++c) {
      state[16 * (2 + c) + k] = g[c];
      come += g[c] * seen[c];
      totals[c] += end * g[c];
    }
    state[16 + k] = come;
    totals[channels] += 0 * come;
  }
}

// The same for a block of three channels that lies within the picture, a row of four at once.
AVATAR_RT_INLINE void load_rgb_block(const SplatAdjointArgs& args, int x, int y, float* state,
                                     F4 (&totals)[4]) {
  const auto width = static_cast<std::size_t>(args.blend->width);
  const auto split = [](const float* p, F4(&out)[3]) __attribute__((always_inline)) {
    const F4 a = load4(p), b = load4(p + 4), c = load4(p + 8);  // rgbr gbrg brgb
    out[0] = __builtin_shufflevector(__builtin_shufflevector(a, b, 0, 3, 6, 6), c, 0, 1, 2, 5);
    out[1] = __builtin_shufflevector(__builtin_shufflevector(a, b, 1, 4, 7, 7), c, 0, 1, 2, 6);
    out[2] = __builtin_shufflevector(__builtin_shufflevector(a, b, 2, 5, 5, 5), c, 0, 1, 4, 7);
  };
  for (int row = 0; row < kBlock; ++row, state += kBlock) {
    const std::size_t at = static_cast<std::size_t>(y + row) * width + static_cast<std::size_t>(x);
    F4 g[3], seen[3];
    split(args.image_gradient + 3 * at, g);
    split(args.image + 3 * at, seen);
    const F4 end = 1.0f - load4(args.alpha + at);
    F4 come = g[0] * seen[0] + g[1] * seen[1] + g[2] * seen[2];
    if (args.alpha_gradient != nullptr) come -= end * load4(args.alpha_gradient + at);
    store4(state, F4{} + 1.0f);
    store4(state + 16, come);
    for (int c = 0; c < 3; ++c) {
      store4(state + 16 * (2 + c), g[c]);
      totals[c] += end * g[c];
    }
    totals[3] += 0.0f * come;
  }
}

template <int kChannels>
void load_tile(const SplatAdjointArgs& args, const TilePlace& place, float* state, float* totals) {
  const BlendArgs& b = *args.blend;
  F4 sums[4] = {};
  for (std::uint64_t todo = place.blocks; todo != 0; todo &= todo - 1) {
    const int block = __builtin_ctzll(todo);
    const int x = place.x + kBlock * (block % 8), y = place.y + kBlock * (block / 8);
    float* at = state + static_cast<std::size_t>(block) * 16 * (2 + b.channels);
    if (kChannels == 3 && x + kBlock <= b.width && y + kBlock <= b.height) {
      load_rgb_block(args, x, y, at, sums);
    } else {
      load_any_block(args, x, y, at, totals);
    }
  }
  for (int c = 0; c < 4 && kChannels == 3; ++c) {
    totals[c] += (sums[c][0] + sums[c][1]) + (sums[c][2] + sums[c][3]);
  }
}

struct Rules {
  float threshold, opaque;
};

// Sums over the splat's blocks: the moments, then each channel, into `out`. Blocks in which no pixel
// is open any more leave `alive`.
template <int kChannels>
AVATAR_RT_INLINE void walk(const TileSplat& s, const float* colors, std::uint64_t blocks,
                           const Rules& rules, int channels_, float* state, std::uint64_t& alive,
                           float* spare, float* out) {
  const int channels = kChannels != 0 ? kChannels : channels_;
  const F threshold = splat(rules.threshold), opaque = splat(rules.opaque);
  const F level = splat(s.level);
  // what a column and a row of blocks add to (u, v) of the tile's first block
  alignas(64) float u_column[8], u_row[8], v_row[8];
  for (int k = 0; k < 8; ++k) {
    const auto offset = static_cast<float>(kBlock * k);
    u_column[k] = s.l11 * offset;
    u_row[k] = s.l21 * offset;
    v_row[k] = s.l22 * offset;
  }
  F u_at[kBlockLanes], v_at[kBlockLanes];
  for (int v = 0; v < kBlockLanes; ++v) {
    const F row = load(kOuter + v * kWidth);
    u_at[v] = s.l11 * load(kInner + v * kWidth) + (s.l21 * row + s.u0);
    v_at[v] = s.l22 * row + s.v0;
  }
  constexpr int kInRegisters = kChannels != 0 ? kChannels : 1;
  Moments<F> moments{};
  F color_sum[kInRegisters]{};
  F color[kInRegisters];
  if constexpr (kChannels != 0) {
    for (int c = 0; c < kChannels; ++c) color[c] = splat(colors[c]);
  } else {
    for (int c = 0; c < channels; ++c) store(spare + kWidth * c, F{});
  }
  for (std::uint64_t todo = blocks; todo != 0; todo &= todo - 1) {
    const int block = __builtin_ctzll(todo);
    const F left = splat(u_column[block % 8]), top = splat(u_row[block / 8]);
    const F down = splat(v_row[block / 8]);
    float* at = state + static_cast<std::size_t>(block) * 16 * (2 + channels);
    unsigned any = 0;
    for (int v = 0; v < kBlockLanes; ++v, at += kWidth) {
      const F u = (u_at[v] + top) + left, w = v_at[v] + down;
      const F power = (level - u * u) - w * w;
      const F alpha = alpha_of<Cubic>(power, threshold);
      const F T = load(at), weight = alpha * T, next = T - weight;
      F worth{};
      for (int c = 0; c < channels; ++c) {
        const F g = load(at + 16 * (2 + c));
        if constexpr (kChannels != 0) {
          worth += g * color[c];
          color_sum[c] += weight * g;
        } else {
          worth += g * colors[c];
          store(spare + kWidth * c, load(spare + kWidth * c) + weight * g);
        }
      }
      const F behind = load(at + 16) - weight * worth;
      store(at, next);
      store(at + 16, behind);
      // a clamped alpha does not follow its exponent; a pixel that is closed follows nothing
      const M open = at_least(T, opaque);
      const M free = both(open, less(alpha, splat(kAlphaMax)));
      const F g = select(free, log_alpha_gradient(weight, worth, behind, next), F{});
      add_moments(moments, g, u, w);
      any |= bits(open);
    }
    if (any == 0) alive &= ~(std::uint64_t{1} << block);
  }
  F lanes[kMoments + kInRegisters] = {moments.one, moments.u, moments.v, moments.uu, moments.uv, moments.vv};
  if constexpr (kChannels != 0) {
    for (int c = 0; c < kChannels; ++c) lanes[kMoments + c] = color_sum[c];
  }
  constexpr int kFolded = kMoments + kChannels;
  for (int k = 0; k < kFolded; k += kWidth) {
    F group[kWidth]{};
    for (int i = 0; i < kWidth && k + i < kFolded; ++i) group[i] = lanes[k + i];
    store(out + k, sums_of(group));
  }
  if constexpr (kChannels == 0) {
    for (int c = 0; c < channels; ++c) out[kMoments + c] = sum(load(spare + kWidth * c));
  }
}

constexpr std::size_t kBatch = 128;  // splats that are brought into the tile together

// The sorted tile's splats keys[0 … count), and for each row of blocks that has one alive, byte by byte,
// which they touch.
void enter_batch(const BlendArgs& b, const Scratch& scratch, const std::uint64_t* keys,
                 std::size_t count, const Cut& cut, std::uint64_t alive, TileSplat* splats,
                 std::uint8_t (*rows)[kListSpace]) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto named = static_cast<std::uint32_t>(keys[i]);
    TileSplat& t = splats[i];
    store4(&t.l22, load4(&b.splats[scratch.splats[named]].l22));
    t.splat = scratch.splats[named];
    t.named = named;
  }
  for (std::size_t i = count; i % kWidth != 0; ++i) splats[i] = splats[0];
  for (std::size_t i = 0; i < count; i += kWidth) {
    enter_tile(b.splats, splats + i, cut, alive, rows, i);
  }
}

template <int kChannels>
void adjoint_tile(const SplatAdjointArgs& args, int tile, Scratch& scratch, float* state) {
  const BlendArgs& b = *args.blend;
  const int channels = kChannels != 0 ? kChannels : b.channels;
  const auto stride = static_cast<std::size_t>(sum_count(channels));
  float* spare = state + static_cast<std::size_t>(16 * kTileBlocks) * (2 + channels);
  const TilePlace place = place_of(b, tile);
  float* totals = args.totals + static_cast<std::size_t>(tile) * (channels + 1);
  for (int c = 0; c <= channels; ++c) totals[c] = 0;
  load_tile<kChannels>(args, place, state, totals);
  const std::size_t n = sort_tile<Named::place>(b, tile, scratch);
  if (args.partial != nullptr) {
    // where each entry sits in its segment, in the order that sort_tile() found them
    std::size_t found = 0;
    for (int k = 0; k < b.segment_count; ++k) {
      for_slots(b.segments[k], tile, [&](std::uint32_t slot) __attribute__((always_inline)) {
        scratch.sorted[found++] = static_cast<std::uint64_t>(k) << 32 | slot;
      });
    }
  }
  const Rules rules = {exponent_level(b.log2_alpha_min), b.transmittance_min};
  const Cut cut = cut_of(b, place);
  const auto color_stride = static_cast<std::size_t>(b.color_stride);
  std::uint64_t alive = place.blocks;
  alignas(64) TileSplat splats[kBatch + 16];
  alignas(64) std::uint8_t rows[kTileRows][kListSpace];
  for (std::size_t begin = 0; begin < n; begin += kBatch) {
    if (alive == 0 && args.partial == nullptr) break;
    const std::size_t count = n - begin < kBatch ? n - begin : kBatch;
    enter_batch(b, scratch, scratch.keys + begin, count, cut, alive, splats, rows);
    for (std::size_t i = 0; i < count; ++i) {
      const TileSplat& t = splats[i];
      std::uint64_t blocks = 0;
      for (int r = 0; r < kTileRows; ++r) {
        blocks |= static_cast<std::uint64_t>(rows[r][i]) << (8 * r);
      }
      blocks &= alive;
      float* out = args.sums + t.splat * stride;
      if (args.partial != nullptr) {
        const std::uint64_t where = scratch.sorted[t.named];
        out = args.partial[where >> 32] + static_cast<std::uint32_t>(where) * stride;
      }
      if (blocks == 0) {
        for (std::size_t k = 0; args.partial != nullptr && k < stride; ++k) out[k] = 0;
        continue;
      }
      alignas(64) float sums[kMoments + kMaxChannels + 16];
      walk<kChannels>(t, b.colors + t.splat * color_stride, blocks, rules, channels, state, alive,
                      spare, sums);
      if (args.partial != nullptr) {
        for (std::size_t k = 0; k < stride; ++k) out[k] = sums[k];
      } else if constexpr (kChannels != 0) {  // zero is added to the first of the next Gaussian's
        constexpr int kSums = sum_count(kChannels);
        for (int k = 0; k < kSums; k += kWidth) store(out + k, load(out + k) + load(sums + k));
      } else {
        for (std::size_t k = 0; k < stride; ++k) out[k] += sums[k];
      }
    }
  }
}

}  // namespace

void splat_adjoint(const SplatAdjointArgs& args, int tile, Scratch& scratch, float* state) {
  if (args.blend->channels == 3) {
    adjoint_tile<3>(args, tile, scratch, state);
  } else {
    adjoint_tile<0>(args, tile, scratch, state);
  }
}

}  // namespace avatar_rt::AVATAR_RT_ISA
