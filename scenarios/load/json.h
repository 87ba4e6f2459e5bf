// JsonObject: writes one JSON object (RFC 8259), member by member.
//
//   JsonObject object;
//   object.Add("acknowledged", uint64_t{12});
//   object.Add("note", "she said \"no\"");
//   object.ToString()      // {"acknowledged":12,"note":"she said \"no\""}
//
// Keys are ours, distinct. Text may be any bytes: what is not printable ASCII is escaped, byte by
// byte, so that the output is ASCII whatever came in.
#ifndef FAULTLINE_SCENARIOS_LOAD_JSON_H_
#define FAULTLINE_SCENARIOS_LOAD_JSON_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace faultline::load {

class JsonObject {
 public:
  // Only these types, without conversions: a pointer is not a truth value.
  void Add(std::string_view key, std::same_as<uint64_t> auto value) {
    AddRaw(key, std::to_string(value));
  }
  void Add(std::string_view key, std::same_as<bool> auto value) {
    AddRaw(key, value ? "true" : "false");
  }
  void Add(std::string_view key, std::string_view text) { AddRaw(key, Quoted(text)); }
  void Add(std::string_view key, const std::vector<std::string>& texts);
  void Add(std::string_view key, const JsonObject& object) { AddRaw(key, object.ToString()); }

  std::string ToString() const { return "{" + members_ + "}"; }

 private:
  static std::string Quoted(std::string_view text);
  void AddRaw(std::string_view key, std::string_view value);

  std::string members_;
};

}  // namespace faultline::load

#endif  // FAULTLINE_SCENARIOS_LOAD_JSON_H_
