#include "stream.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "gate.h"

namespace emulated {
namespace {

struct Streams {
  CUstream_st legacy, per_thread;
  std::vector<std::unique_ptr<CUstream_st>> created;
};

Streams& streams() {
  static auto* all = new Streams;  // never destroyed: calls may come at exit
  return *all;
}

bool late() {
  const char* value = std::getenv("AVATAR_RT_EMULATED_LATE");
  return value != nullptr && std::string_view(value) == "1";
}

template <class Visit>
void each_stream(Visit visit) {
  visit(streams().legacy);
  visit(streams().per_thread);
  for (auto& stream : streams().created) visit(*stream);
}

cudaError_t create(cudaStream_t* out, unsigned flags) {
  return call([&] {
    if (out == nullptr || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
    streams().created.push_back(std::make_unique<CUstream_st>());
    *out = streams().created.back().get();
    (*out)->blocking = flags == cudaStreamDefault;
    return cudaSuccess;
  });
}

}  // namespace

bool exists(cudaStream_t stream) {
  if (stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread) return true;
  const auto& all = streams().created;
  return std::any_of(all.begin(), all.end(), [&](const auto& s) { return s.get() == stream; });
}

CUstream_st& resolve(cudaStream_t stream) {
  if (stream == nullptr || stream == cudaStreamLegacy) return streams().legacy;
  return stream == cudaStreamPerThread ? streams().per_thread : *stream;
}

void advance(CUstream_st& stream, std::uint64_t until) {
  while (stream.done < until && !stream.queue.empty()) {
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    work();
    ++stream.done;
  }
}

void finish_all() {
  each_stream([](CUstream_st& stream) { advance(stream, stream.queued); });
}

void queue(CUstream_st& stream, Work work) {
  CUstream_st& legacy = streams().legacy;
  if (&stream == &legacy) {
    each_stream([&](CUstream_st& other) {
      if (other.blocking && &other != &legacy) advance(other, other.queued);
    });
  } else if (stream.blocking) {
    stream.queue.push_back([&legacy, until = legacy.queued] { advance(legacy, until); });
    ++stream.queued;
  }
  stream.queue.push_back(std::move(work));
  ++stream.queued;
  if (!late()) advance(stream, stream.queued);
}

cudaError_t refuse(Capture& capture, cudaError_t error) {
  capture.invalid = true;
  return error;
}

void end(const Capture& capture) {
  each_stream([&](CUstream_st& stream) {
    if (stream.capture.get() == &capture) stream.capture = nullptr;
  });
}

cudaError_t unless_capturing() {
  cudaError_t error = cudaSuccess;
  each_stream([&](CUstream_st& stream) {
    if (stream.capture == nullptr || stream.capture->mode == cudaStreamCaptureModeRelaxed) return;
    const bool ours = stream.capture->thread == std::this_thread::get_id();
    if (!ours && stream.capture->mode == cudaStreamCaptureModeThreadLocal) return;
    error = refuse(*stream.capture, cudaErrorStreamCaptureUnsupported);
  });
  return error;
}

cudaError_t submit(cudaStream_t handle, cudaGraphNodeType type, Work work) {
  if (!exists(handle)) return cudaErrorInvalidResourceHandle;
  CUstream_st& stream = resolve(handle);
  if (Capture* capture = stream.capture.get()) {
    if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
    if (&stream != capture->origin) capture->astray.insert(&stream);
    capture->nodes.push_back(std::make_shared<CUgraphNode_st>(CUgraphNode_st{type, std::move(work)}));
    return cudaSuccess;
  }
  cudaError_t error = cudaSuccess;
  if (stream.blocking) {  // the default stream would have to wait for a capture, or the other way
    each_stream([&](CUstream_st& other) {
      if (&stream == &streams().legacy && other.blocking && other.capture != nullptr &&
          other.capture->mode != cudaStreamCaptureModeRelaxed) {
        error = refuse(*other.capture, cudaErrorStreamCaptureImplicit);
      }
    });
  }
  if (error != cudaSuccess) return error;
  if (type == cudaGraphNodeTypeKernel || type == cudaGraphNodeTypeGraph) error = count_a_launch();
  if (error == cudaSuccess) queue(stream, std::move(work));
  return error;
}

}  // namespace emulated

using namespace emulated;

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return create(stream, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return create(stream, flags);
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return create(stream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call([&] {
    if (stream == nullptr || !exists(stream) || stream == cudaStreamLegacy ||
        stream == cudaStreamPerThread) {
      return cudaErrorInvalidResourceHandle;
    }
    if (stream->capture != nullptr) stream->capture->invalid = true;
    advance(*stream, stream->queued);
    std::erase_if(streams().created, [&](const auto& s) { return s.get() == stream; });
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call([&] {
    if (!exists(handle)) return cudaErrorInvalidResourceHandle;
    CUstream_st& stream = resolve(handle);
    if (stream.capture) return refuse(*stream.capture, cudaErrorStreamCaptureUnsupported);
    advance(stream, stream.queued);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return call([&] {
    if (!exists(handle)) return cudaErrorInvalidResourceHandle;
    CUstream_st& stream = resolve(handle);
    if (stream.capture) return refuse(*stream.capture, cudaErrorStreamCaptureUnsupported);
    if (stream.done == stream.queued) return cudaSuccess;
    advance(stream, stream.done + 1);  // so that asking again and again comes to an end
    return cudaErrorNotReady;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call([] {
    const cudaError_t error = unless_capturing();
    if (error == cudaSuccess) finish_all();
    return error;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return call([&] {
    return submit(stream, cudaGraphNodeTypeHost, [=] { function(data); });
  });
}
