// One type for every transport: for programs whose configuration says which one it is.
//
//   any::Listener listener = any::Listener::Of(*tcp::Listener::Listen(...));
//   absl::StatusOr<any::Connection> connection = co_await listener.Accept();
//
// Whatever meets the concepts of transports/message/concepts.h fits, with the same contract. It
// costs an allocation a half, and a virtual call an operation; who knows the transport when the
// program is compiled uses that. An object that was moved from can be destroyed or assigned to.
#ifndef FAULTLINE_TRANSPORTS_ANY_ANY_H_
#define FAULTLINE_TRANSPORTS_ANY_ANY_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "runtime/task.h"
#include "transports/message/concepts.h"
#include "transports/message/message.h"

namespace faultline::any {

class Reader {
 public:
  template <message::Reader T>
  static Reader Of(T reader) {
    return Reader(std::make_unique<Model<T>>(std::move(reader)));
  }

  Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size) {
    return impl_->ReadMessage(max_message_size);
  }
  std::optional<absl::StatusOr<message::Message>> TryNext(size_t max_message_size) {
    return impl_->TryNext(max_message_size);
  }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size) = 0;
    virtual std::optional<absl::StatusOr<message::Message>> TryNext(size_t max_message_size) = 0;
  };
  template <typename T>
  struct Model final : Base {
    explicit Model(T reader) : it(std::move(reader)) {}
    Task<absl::StatusOr<message::Message>> ReadMessage(size_t max_message_size) override {
      return it.ReadMessage(max_message_size);
    }
    std::optional<absl::StatusOr<message::Message>> TryNext(size_t max_message_size) override {
      return it.TryNext(max_message_size);
    }
    T it;
  };

  explicit Reader(std::unique_ptr<Base> impl) : impl_(std::move(impl)) {}

  std::unique_ptr<Base> impl_;
};

class Writer {
 public:
  template <message::Writer T>
  static Writer Of(T writer) {
    return Writer(std::make_unique<Model<T>>(std::move(writer)));
  }

  Task<absl::Status> SendBatch(FrozenBatch* batch) { return impl_->SendBatch(batch); }
  absl::Status FinishWrites() { return impl_->FinishWrites(); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual Task<absl::Status> SendBatch(FrozenBatch* batch) = 0;
    virtual absl::Status FinishWrites() = 0;
  };
  template <typename T>
  struct Model final : Base {
    explicit Model(T writer) : it(std::move(writer)) {}
    Task<absl::Status> SendBatch(FrozenBatch* batch) override { return it.SendBatch(batch); }
    absl::Status FinishWrites() override { return it.FinishWrites(); }
    T it;
  };

  explicit Writer(std::unique_ptr<Base> impl) : impl_(std::move(impl)) {}

  std::unique_ptr<Base> impl_;
};

class Connection {
 public:
  using Reader = any::Reader;
  using Writer = any::Writer;

  template <message::Connection T>
  static Connection Of(T connection) {
    return Connection(std::make_unique<Model<T>>(std::move(connection)));
  }

  std::pair<Reader, Writer> Split() && { return impl_->Split(); }
  Endpoint local_address() const { return impl_->local_address(); }
  Endpoint peer_address() const { return impl_->peer_address(); }
  absl::Status Close() { return impl_->Close(); }
  void Abort() { impl_->Abort(); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual std::pair<Reader, Writer> Split() = 0;
    virtual Endpoint local_address() const = 0;
    virtual Endpoint peer_address() const = 0;
    virtual absl::Status Close() = 0;
    virtual void Abort() = 0;
  };
  template <typename T>
  struct Model final : Base {
    explicit Model(T connection) : it(std::move(connection)) {}
    std::pair<Reader, Writer> Split() override {
      auto [reader, writer] = std::move(it).Split();
      return {Reader::Of(std::move(reader)), Writer::Of(std::move(writer))};
    }
    Endpoint local_address() const override { return it.local_address(); }
    Endpoint peer_address() const override { return it.peer_address(); }
    absl::Status Close() override { return it.Close(); }
    void Abort() override { it.Abort(); }
    T it;
  };

  explicit Connection(std::unique_ptr<Base> impl) : impl_(std::move(impl)) {}

  std::unique_ptr<Base> impl_;
};

class Listener {
 public:
  using Connection = any::Connection;

  template <message::Listener T>
  static Listener Of(T listener) {
    return Listener(std::make_unique<Model<T>>(std::move(listener)));
  }

  Task<absl::StatusOr<Connection>> Accept() { return impl_->Accept(); }
  Endpoint local_address() const { return impl_->local_address(); }
  absl::Status Close() { return impl_->Close(); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual Task<absl::StatusOr<Connection>> Accept() = 0;
    virtual Endpoint local_address() const = 0;
    virtual absl::Status Close() = 0;
  };
  template <typename T>
  struct Model final : Base {
    explicit Model(T listener) : it(std::move(listener)) {}
    Task<absl::StatusOr<Connection>> Accept() override {
      absl::StatusOr<typename T::Connection> accepted = co_await it.Accept();
      if (!accepted.ok()) co_return accepted.status();
      co_return Connection::Of(*std::move(accepted));
    }
    Endpoint local_address() const override { return it.local_address(); }
    absl::Status Close() override { return it.Close(); }
    T it;
  };

  explicit Listener(std::unique_ptr<Base> impl) : impl_(std::move(impl)) {}

  std::unique_ptr<Base> impl_;
};

class Connector {
 public:
  using Connection = any::Connection;

  template <message::Connector T>
  static Connector Of(T connector) {
    return Connector(std::make_unique<Model<T>>(std::move(connector)));
  }

  Task<absl::StatusOr<Connection>> Connect(Endpoint peer) {
    return impl_->Connect(std::move(peer));
  }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual Task<absl::StatusOr<Connection>> Connect(Endpoint peer) = 0;
  };
  template <typename T>
  struct Model final : Base {
    explicit Model(T connector) : it(std::move(connector)) {}
    Task<absl::StatusOr<Connection>> Connect(Endpoint peer) override {
      absl::StatusOr<typename T::Connection> connected = co_await it.Connect(std::move(peer));
      if (!connected.ok()) co_return connected.status();
      co_return Connection::Of(*std::move(connected));
    }
    T it;
  };

  explicit Connector(std::unique_ptr<Base> impl) : impl_(std::move(impl)) {}

  std::unique_ptr<Base> impl_;
};

static_assert(message::Reader<Reader> && message::Writer<Writer>);
static_assert(message::Connection<Connection>);
static_assert(message::Listener<Listener> && message::Connector<Connector>);

}  // namespace faultline::any

#endif  // FAULTLINE_TRANSPORTS_ANY_ANY_H_
