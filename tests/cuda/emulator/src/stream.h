// Streams: queues of work. Work runs as soon as it is queued, or, with AVATAR_RT_EMULATED_LATE=1, only
// when somebody waits for it, which is how a wait that was forgotten shows.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "emulated/graph_api.h"

namespace emulated {

using Work = std::function<void()>;

}  // namespace emulated

struct CUgraphNode_st {
  cudaGraphNodeType type;
  emulated::Work work;
};

namespace emulated {

using Nodes = std::vector<std::shared_ptr<CUgraphNode_st>>;

// A capture that goes on: one stream began it, others may have been drawn in by events.
struct Capture {
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  CUstream_st* origin;
  std::set<CUstream_st*> astray;  // drawn in, and not waited for since their last work
  bool invalid = false;
  Nodes nodes;
};

}  // namespace emulated

struct CUstream_st {
  bool blocking = true;                       // waits for the default stream, and it for this one
  std::uint64_t queued = 0, done = 0;         // how much work there was, how much has run
  std::deque<emulated::Work> queue;
  std::shared_ptr<emulated::Capture> capture;
};

namespace emulated {

// Queues work, or adds it to the stream's capture.
cudaError_t submit(cudaStream_t stream, cudaGraphNodeType type, Work work);
// Adds work that is no node of a graph.
void queue(CUstream_st& stream, Work work);

void advance(CUstream_st& stream, std::uint64_t until);
void finish_all();

bool exists(cudaStream_t stream);
CUstream_st& resolve(cudaStream_t stream);

// cudaErrorStreamCaptureUnsupported, and an end to the capture, where one forbids such a call.
cudaError_t unless_capturing();
cudaError_t refuse(Capture& capture, cudaError_t error);
void end(const Capture& capture);   // its streams run their work again

}  // namespace emulated
