#include "runtime/contract/contract.h"

#include <utility>

#include "runtime/combine.h"

namespace faultline::contract {

std::string NameOf(const ::testing::TestParamInfo<ContractParam>& info) {
  switch (std::get<1>(info.param)) {
    case Endpoint::Family::kIpv4:
      return "Ipv4";
    case Endpoint::Family::kIpv6:
      return "Ipv6";
    case Endpoint::Family::kUnix:
      return "Unix";
    case Endpoint::Family::kNone:
      break;
  }
  return "None";
}

World* Contract::world() {
  if (world_ == nullptr) world_ = std::get<0>(GetParam())();
  return world_.get();
}

Task<void> StreamContract::ConnectPair(std::unique_ptr<Stream>* client_end,
                                       std::unique_ptr<Stream>* server_end) {
  auto [accepted, connected] = co_await All(
      listener->Accept(), client().network->Connect(listener->local_address(), ConnectOptions()));
  CONTRACT_REQUIRE_OK(accepted);
  CONTRACT_REQUIRE_OK(connected);
  *client_end = *std::move(connected);
  *server_end = *std::move(accepted);
}

Task<void> StreamContract::WithStreams(Body body) {
  auto listening = server().network->Listen(ServerAddress(), ListenOptions());
  CONTRACT_REQUIRE_OK(listening);
  listener = *std::move(listening);
  co_await ConnectPair(&client_stream, &server_stream);
  if (client_stream != nullptr && server_stream != nullptr) co_await body(this);
  client_stream.reset();
  server_stream.reset();
  listener.reset();
}

std::unique_ptr<DatagramSocket> DatagramContract::BindAt(int host, const BindOptions& options) {
  auto socket = world()->runtime(host).network->Bind(world()->Address(host, family()), options);
  EXPECT_TRUE(socket.ok()) << socket.status();
  return socket.ok() ? *std::move(socket) : nullptr;
}

}  // namespace faultline::contract
