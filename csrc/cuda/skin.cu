// A frame's first kernel: vertices (rest + expression and pose deltas, then linear blend skinning),
// and beside them, by other blocks, the memory that later kernels expect to be clear.
#include "cuda/kernels.h"
#include "cuda/skin.h"

namespace avatar_rt::cuda {
namespace {

using scalar::Vec3;

__device__ void skin_vertex(const FaceJob& face, int vertex) {
  const Vec3<float> p = shaped(face.head, packed_rest(face.head, vertex), vertex);
  float m[12];
  blend_joints(face.head, vertex, m);
  const Vec3<float> posed = scalar::skin_vertex(m, p);
  face.posed[vertex] = make_float4(posed.x, posed.y, posed.z, 0);
}

template <class Key>
__global__ void __launch_bounds__(kSkinThreads)
    prepare_kernel(Batch batch, const Work* work, unsigned skinned, unsigned long long* zero,
                   std::uint32_t zeros, Entries<Key> entries) {
  if (blockIdx.x < skinned) {
    const Work own = work[blockIdx.x];
    const FaceJob& face = batch.faces[own.job];
    const int vertex = static_cast<int>(own.first + threadIdx.x);
    if (vertex < face.vertex_count) skin_vertex(face, vertex);
    return;
  }
  const std::uint32_t step = (gridDim.x - skinned) * kSkinThreads;
  const std::uint32_t begin = (blockIdx.x - skinned) * kSkinThreads + threadIdx.x;
  for (std::uint32_t i = begin; i < zeros; i += step) zero[i] = 0;
  for (std::uint32_t i = begin; i < entries.capacity; i += step) entries.keys[i] = ~Key{0};
}

}  // namespace

template <class Key>
void prepare(cudaStream_t stream, const Batch& batch, Works work, unsigned long long* zero,
             std::uint32_t zeros, const Entries<Key>& entries) {
  constexpr std::size_t kClearing = 128;  // blocks, about one for each of a large device's parts
  launch(stream, prepare_kernel<Key>, work.count + kClearing, kSkinThreads, batch, work.data,
         static_cast<unsigned>(work.count), zero, zeros, entries);
}

template void prepare(cudaStream_t, const Batch&, Works, unsigned long long*, std::uint32_t,
                      const Entries<std::uint32_t>&);
template void prepare(cudaStream_t, const Batch&, Works, unsigned long long*, std::uint32_t,
                      const Entries<std::uint64_t>&);

}  // namespace avatar_rt::cuda
