// Goal: whatever is put in, what comes out is JSON and means the same.
// Method: objects with each kind of member, and with text that has to be escaped.

#include "scenarios/load/json.h"

#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace faultline::load {
namespace {

TEST(JsonObject, AnEmptyOne) { EXPECT_EQ(JsonObject().ToString(), "{}"); }

TEST(JsonObject, EachKindOfMember) {
  JsonObject inner;
  inner.Add("p50", uint64_t{7});
  JsonObject object;
  object.Add("passed", true);
  object.Add("failed", false);
  object.Add("count", std::numeric_limits<uint64_t>::max());
  object.Add("name", "load");
  object.Add("latency", inner);
  object.Add("none", std::vector<std::string>());
  object.Add("some", std::vector<std::string>{"a", "b\"c"});
  EXPECT_EQ(object.ToString(),
            R"({"passed":true,"failed":false,"count":18446744073709551615,"name":"load",)"
            R"("latency":{"p50":7},"none":[],"some":["a","b\"c"]})");
}

TEST(JsonObject, TextIsEscaped) {
  JsonObject object;
  object.Add("a\"b", std::string_view("\\ \" \n \0 \x7f \xc3\xa9 ~", 14));
  EXPECT_EQ(object.ToString(), R"({"a\"b":"\\ \" \u000a \u0000 \u007f \u00c3\u00a9 ~"})");
}

}  // namespace
}  // namespace faultline::load
