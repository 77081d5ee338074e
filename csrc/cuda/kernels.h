// A frame's launches, each defined in the file of its kernel. The `work` of a launch says for each of
// its blocks what is its own.
#pragma once

#include "cuda/jobs.h"
#include "cuda/runtime.h"

namespace avatar_rt::cuda {

inline constexpr int kSkinThreads = 64;

// Whether the device in use is one that the kernels were compiled for.
cudaError_t runs_here();

struct Works {
  const Work* data;                // on the device
  std::size_t count;
};

// Poses the vertices of faces, and sets `zeros` words to 0 and all keys to ones.
template <class Key>
void prepare(cudaStream_t stream, const Batch& batch, Works work, unsigned long long* zero,
             std::uint32_t zeros, const Entries<Key>& entries);

void project_rig(cudaStream_t stream, const Batch& batch, Works work);
void project_array(cudaStream_t stream, const Batch& batch, Works work);

// The Gaussians of an avatar's view in the world: (N, 3) and (N, 6).
void place_gaussians(cudaStream_t stream, const ViewJob& view, float* means, float* covars);

template <class Key>
void enter(cudaStream_t stream, const Batch& batch, Works work, const Entries<Key>& entries);

// Sorts `from` by the lowest `bits` of its keys into `to`; `temporary` has sort_bytes() bytes.
template <class Key>
std::size_t sort_bytes(std::uint32_t capacity, int bits);
template <class Key>
void sort(cudaStream_t stream, void* temporary, std::size_t bytes, const Entries<Key>& from,
          const Entries<Key>& to, int bits);

// Of sorted entries: avatars' views, and those of arrays, which all have as many channels.
template <class Key>
void blend(cudaStream_t stream, const Batch& batch, Works work, const Entries<Key>& entries);
template <class Key>
void blend_floats(cudaStream_t stream, const Batch& batch, Works work,
                  const Entries<Key>& entries, int channels);


// The way back of blend_floats(), of entries that are sorted still.
template <class Key>
void blend_adjoint(cudaStream_t stream, const Batch& batch, Works work,
                   const Entries<Key>& entries, int channels);

// Colours of plain arrays by harmonics.
void shade(cudaStream_t stream, const ShadeArgs& args, std::int64_t count);

// From a view's sums to its Gaussians and its camera; where shade.count is not 0, through shade().
// args.shade is not read.
void project_adjoint(cudaStream_t stream, const ProjectAdjointArgs& args, const ShadeArgs& shade);

}  // namespace avatar_rt::cuda
