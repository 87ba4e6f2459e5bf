#include "transports/message/header.h"

namespace faultline::message {

std::string_view CommandName(Command command) {
  switch (command) {
    case Command::kPing:
      return "Ping";
    case Command::kPong:
      return "Pong";
    case Command::kRequest:
      return "Request";
    case Command::kReply:
      return "Reply";
    case Command::kPrepare:
      return "Prepare";
    case Command::kPrepareOk:
      return "PrepareOk";
    case Command::kCommit:
      return "Commit";
    case Command::kCatchUpRequest:
      return "CatchUpRequest";
    case Command::kCatchUpData:
      return "CatchUpData";
    case Command::kReject:
      return "Reject";
  }
  return "unknown";
}

}  // namespace faultline::message
