// What a transport is: a family of five types that carry whole messages.
//
//   Listener --Accept--> Connection --Split--> Reader, Writer
//   Connector --Connect--> Connection
//
// Services are templates over these concepts, so that the hot path stays monomorphic. Halves are
// owned: each moves into its own task. Their contract, beside the signatures:
//
//   ReadMessage  One at a time. The next message, validated; OutOfRange "connection closed" if the
//                stream ended between two frames; the FrameError otherwise, torn frames among them;
//                faults of the stream pass through with their errno. Cancelled: nothing was lost,
//                the next call goes on where this one was. Every other error is final: later calls
//                report it again.
//   TryNext      The next message if it is already here; no coroutine, no system call. Nothing
//                means: ask ReadMessage. Not while a ReadMessage is pending.
//   SendBatch    One at a time. Everything in the batch, in order, without a copy; then the batch
//                is empty. Or it fails, and the connection is dead: a part of a frame may be on the
//                wire, so the stream has been aborted, the reader ends too, and later batches are
//                refused with FailedPrecondition. That goes for a cancelled one as well: to drain
//                after a stop request, shield the send and give it a deadline.
//   FinishWrites Half-close: the peer reads everything sent, then a clean end.
//   Close        Orderly: what was sent is still delivered. Abort: RST, at once.
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_CONCEPTS_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_CONCEPTS_H_

#include <concepts>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "runtime/task.h"
#include "transports/message/message.h"

namespace faultline::message {

template <typename T>
concept Reader = std::movable<T> && requires(T reader, size_t max_message_size) {
  { reader.ReadMessage(max_message_size) } -> std::same_as<Task<absl::StatusOr<Message>>>;
  { reader.TryNext(max_message_size) } -> std::same_as<std::optional<absl::StatusOr<Message>>>;
};

template <typename T>
concept Writer = std::movable<T> && requires(T writer, FrozenBatch* batch) {
  { writer.SendBatch(batch) } -> std::same_as<Task<absl::Status>>;
  { writer.FinishWrites() } -> std::same_as<absl::Status>;
};

template <typename T>
concept Connection = std::movable<T> && Reader<typename T::Reader> && Writer<typename T::Writer> &&
                     requires(T connection, const T& view) {
                       {
                         std::move(connection).Split()
                       } -> std::same_as<std::pair<typename T::Reader, typename T::Writer>>;
                       { view.local_address() } -> std::same_as<Endpoint>;
                       { view.peer_address() } -> std::same_as<Endpoint>;
                       { connection.Close() } -> std::same_as<absl::Status>;
                       { connection.Abort() } -> std::same_as<void>;
                     };

template <typename T>
concept Listener = Connection<typename T::Connection> && requires(T listener, const T& view) {
  { listener.Accept() } -> std::same_as<Task<absl::StatusOr<typename T::Connection>>>;
  { view.local_address() } -> std::same_as<Endpoint>;
  { listener.Close() } -> std::same_as<absl::Status>;
};

template <typename T>
concept Connector = Connection<typename T::Connection> && requires(T connector, Endpoint peer) {
  { connector.Connect(peer) } -> std::same_as<Task<absl::StatusOr<typename T::Connection>>>;
};

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_CONCEPTS_H_
