// Events: points in a stream's work. Recorded under capture they only say what came before, which
// draws the streams that wait for them into the capture.
#include <chrono>

#include "gate.h"
#include "stream.h"

using namespace emulated;
using Clock = std::chrono::steady_clock;

namespace {

struct Mark {  // shared with the queued work that fills it in, for the event may be gone by then
  bool reached = false;
  Clock::time_point time;
};

}  // namespace

struct CUevent_st {
  bool timed;
  cudaStream_t stream = nullptr;
  std::uint64_t at = 0;                // how much of the stream's work comes before
  std::shared_ptr<Mark> mark;          // null: never recorded
  std::shared_ptr<Capture> capture;    // that recorded it
};

namespace {

void reach(const CUevent_st& event) {
  if (!event.mark->reached && exists(event.stream)) advance(resolve(event.stream), event.at);
}

}  // namespace

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call([&] {
    if (event == nullptr) return cudaErrorInvalidValue;
    *event = new CUevent_st{.timed = (flags & cudaEventDisableTiming) == 0,
                            .mark = nullptr, .capture = nullptr};
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call([&] {
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    delete event;
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return call([&] {
    if (event == nullptr || !exists(handle)) return cudaErrorInvalidResourceHandle;
    CUstream_st& stream = resolve(handle);
    event->stream = handle;
    event->capture = stream.capture;
    if (stream.capture) {
      return stream.capture->invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
    }
    event->mark = std::make_shared<Mark>();
    queue(stream, [mark = event->mark] { *mark = {true, Clock::now()}; });
    event->at = stream.queued;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  return call([&] {
    if (event == nullptr || !exists(handle)) return cudaErrorInvalidResourceHandle;
    CUstream_st& stream = resolve(handle);
    if (event->capture) {
      if (event->capture->invalid) return cudaErrorStreamCaptureInvalidated;
      if (stream.capture && stream.capture != event->capture) {
        stream.capture->invalid = true;
        return refuse(*event->capture, cudaErrorStreamCaptureMerge);
      }
      stream.capture = event->capture;
      if (&stream != stream.capture->origin) stream.capture->astray.insert(&stream);
      stream.capture->astray.erase(&resolve(event->stream));
      return cudaSuccess;
    }
    if (stream.capture) return refuse(*stream.capture, cudaErrorStreamCaptureIsolation);
    if (event->mark == nullptr) return cudaSuccess;  // never recorded: nothing to wait for
    queue(stream, [copy = *event] { reach(copy); });
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call([&] {
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    if (event->capture) return refuse(*event->capture, cudaErrorCapturedEvent);
    if (event->mark) reach(*event);
    return cudaSuccess;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call([&] {
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    if (event->capture) return refuse(*event->capture, cudaErrorCapturedEvent);
    if (event->mark == nullptr || event->mark->reached) return cudaSuccess;
    if (!exists(event->stream)) return cudaSuccess;
    CUstream_st& stream = resolve(event->stream);
    advance(stream, stream.done + 1);
    return cudaErrorNotReady;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return call([&] {
    if (milliseconds == nullptr || start == nullptr || end == nullptr || !start->timed ||
        !end->timed || !start->mark || !end->mark) {
      return cudaErrorInvalidResourceHandle;
    }
    if (!start->mark->reached || !end->mark->reached) return cudaErrorNotReady;
    *milliseconds =
        std::chrono::duration<float, std::milli>(end->mark->time - start->mark->time).count();
    return cudaSuccess;
  });
}
