#include "scenarios/load/json.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace faultline::load {

void JsonObject::Add(std::string_view key, const std::vector<std::string>& texts) {
  std::string array = "[";
  for (const std::string& text : texts) {
    absl::StrAppend(&array, array.size() > 1 ? "," : "", Quoted(text));
  }
  AddRaw(key, array + "]");
}

std::string JsonObject::Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", std::string(1, c));
    } else if (c < ' ' || c > '~') {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<unsigned char>(c));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

void JsonObject::AddRaw(std::string_view key, std::string_view value) {
  if (!members_.empty()) members_ += ",";
  members_ += Quoted(key);
  members_ += ":";
  members_ += value;
}

}  // namespace faultline::load
