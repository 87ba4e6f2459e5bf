// CaptureFile: a capture of a run's packets in a file, written while the run goes on.
#ifndef FAULTLINE_SCENARIOS_REPLAY_CAPTURE_FILE_H_
#define FAULTLINE_SCENARIOS_REPLAY_CAPTURE_FILE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scenarios/replay/files.h"
#include "sim/pcap/capture.h"

namespace faultline::replay {

class CaptureFile {
 public:
  // Errors: InvalidArgument, the file cannot be opened.
  static absl::StatusOr<std::unique_ptr<CaptureFile>> Open(const std::string& path);
  CaptureFile(const CaptureFile&) = delete;
  CaptureFile& operator=(const CaptureFile&) = delete;

  sim::Capture* capture() { return &capture_; }

  // Once, after the run. Errors: DataLoss, not everything could be written.
  absl::Status Finish();

 private:
  CaptureFile(File file, std::string path);

  File file_;
  const std::string path_;
  sim::Capture capture_;
};

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_CAPTURE_FILE_H_
