// Captures and the graphs that they become: lists of work, replayed in the order of their capture.
#include <algorithm>

#include "gate.h"
#include "stream.h"

struct CUgraph_st {
  emulated::Nodes nodes;
};
struct CUgraphExec_st {
  std::shared_ptr<const emulated::Nodes> nodes;
};

using namespace emulated;

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call([&] {
    if (!exists(handle)) return cudaErrorInvalidResourceHandle;
    CUstream_st& stream = resolve(handle);
    if (&stream == &resolve(nullptr)) return cudaErrorStreamCaptureUnsupported;
    if (stream.capture) return refuse(*stream.capture, cudaErrorStreamCaptureUnsupported);
    stream.capture = std::make_shared<Capture>(Capture{.mode = mode,
                                                       .thread = std::this_thread::get_id(),
                                                       .origin = &stream,
                                                       .astray = {},
                                                       .nodes = {}});
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return call([&] {
    if (!exists(handle)) return cudaErrorInvalidResourceHandle;
    const std::shared_ptr<Capture> capture = resolve(handle).capture;
    if (graph != nullptr) *graph = nullptr;
    if (graph == nullptr || capture == nullptr) return cudaErrorInvalidValue;
    if (capture->origin != &resolve(handle)) return refuse(*capture, cudaErrorStreamCaptureUnmatched);
    if (capture->mode != cudaStreamCaptureModeRelaxed &&
        capture->thread != std::this_thread::get_id()) {
      return refuse(*capture, cudaErrorStreamCaptureWrongThread);
    }
    end(*capture);
    if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
    if (!capture->astray.empty()) return cudaErrorStreamCaptureUnjoined;
    *graph = new CUgraph_st{std::move(capture->nodes)};
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return call([&] {
    if (!exists(handle)) return cudaErrorInvalidResourceHandle;
    const Capture* capture = resolve(handle).capture.get();
    *status = capture == nullptr  ? cudaStreamCaptureStatusNone
              : capture->invalid ? cudaStreamCaptureStatusInvalidated
                                 : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return call([&] {
    if (exec == nullptr || graph == nullptr) return cudaErrorInvalidValue;
    *exec = new CUgraphExec_st{std::make_shared<const Nodes>(graph->nodes)};
    return cudaSuccess;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return call([&] {
    if (exec == nullptr) return cudaErrorInvalidValue;
    return submit(stream, cudaGraphNodeTypeGraph, [nodes = exec->nodes] {
      for (const auto& node : *nodes) node->work();
    });
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t) {
  return call([&] { return exec == nullptr ? cudaErrorInvalidValue : cudaSuccess; });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return call([&] {
    if (exec == nullptr) return cudaErrorInvalidValue;
    delete exec;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call([&] {
    if (graph == nullptr) return cudaErrorInvalidValue;
    delete graph;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  return call([&] {
    if (graph == nullptr || count == nullptr) return cudaErrorInvalidValue;
    if (nodes != nullptr) {
      *count = std::min(*count, graph->nodes.size());
      for (std::size_t i = 0; i < *count; ++i) nodes[i] = graph->nodes[i].get();
    }
    *count = nodes == nullptr ? graph->nodes.size() : *count;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
  return call([&] {
    if (node == nullptr || type == nullptr) return cudaErrorInvalidValue;
    *type = node->type;
    return cudaSuccess;
  });
}
