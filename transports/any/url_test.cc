// Goal: a URL says the same to the program as to its reader, and what is wrong with one is named.
// Method: each scheme there and back; every kind of mistake, and what its error has to name.

#include "transports/any/url.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace faultline::any {
namespace {

TEST(Url, IsReadAndWrittenAlike) {
  for (const char* text :
       {"tcp://127.0.0.1:7000", "tls://[::1]:7001", "quic://10.0.0.1:7002", "ws://127.0.0.1:80/bus",
        "wss://[fd00::1]:443/a/b?c=d", "unix:///run/ledger.sock", "unix://@ledger"}) {
    absl::StatusOr<Url> url = ParseUrl(text);
    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_EQ(url->ToString(), text);
    EXPECT_EQ(*ParseUrl(url->ToString()), *url);
  }
}

TEST(Url, HasItsParts) {
  absl::StatusOr<Url> url = ParseUrl("ws://127.0.0.1:80/bus");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->scheme, Scheme::kWebSocket);
  EXPECT_EQ(url->address, Endpoint::Ipv4Loopback(80));
  EXPECT_EQ(url->path, "/bus");
  EXPECT_EQ(ParseUrl("wss://127.0.0.1:80")->path, "/");
  EXPECT_EQ(ParseUrl("tcp://127.0.0.1:80")->path, "");
  EXPECT_EQ(ParseUrl("unix:///run/x.sock")->address, Endpoint::Unix("/run/x.sock"));
}

struct Mistake {
  const char* text;
  const char* named;  // in the error
};

TEST(Url, SaysWhatIsWrongWithIt) {
  for (const Mistake& mistake : {
           Mistake{"127.0.0.1:7000", "a transport is missing"},
           Mistake{"http://127.0.0.1:7000", "tcp, tls, ws, wss, quic, unix"},
           Mistake{"tcp://127.0.0.1:7000/bus", "tcp knows no path"},
           Mistake{"quic://127.0.0.1:7000/", "quic knows no path"},
           Mistake{"unix://", "a path is missing"},
           Mistake{"tcp://unix:/run/x.sock", "tcp"},
           Mistake{"tcp://localhost:7000", "localhost"},
           Mistake{"tcp://127.0.0.1", "127.0.0.1"},
           Mistake{"ws://127.0.0.1:99999/bus", "99999"},
       }) {
    absl::StatusOr<Url> url = ParseUrl(mistake.text);
    ASSERT_TRUE(absl::IsInvalidArgument(url.status())) << mistake.text;
    const std::string message(url.status().message());
    EXPECT_NE(message.find(mistake.named), std::string::npos) << message;
    EXPECT_NE(message.find(mistake.text), std::string::npos) << message;
  }
}

TEST(Scheme, HasOneName) {
  for (Scheme scheme : kSchemes) EXPECT_EQ(*ParseScheme(NameOf(scheme)), scheme);
  EXPECT_TRUE(absl::IsInvalidArgument(ParseScheme("TCP").status()));
}

TEST(Url, ThreeSchemesUseTls) {
  std::vector<std::string> names;
  for (Scheme scheme : kSchemes) {
    if (UsesTls(scheme)) names.emplace_back(NameOf(scheme));
  }
  EXPECT_EQ(names, (std::vector<std::string>{"tls", "wss", "quic"}));
}

}  // namespace
}  // namespace faultline::any
