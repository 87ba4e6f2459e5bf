// Parcel: a value of any movable type, on its way from one shard to another.
//
//   Parcel parcel = Parcel::Of(Hello{.number = 7});
//   ... std::move(parcel).Take<Hello>()                 // of exactly that type, or our bug
//
// One cache line, nothing on the heap: what is larger goes as a `std::unique_ptr`. What is inside
// changes threads with it; it may hold nothing that belongs to its shard (a stream, a timer, a
// wait): a stream is detached first (detached_stream.h).
#ifndef FAULTLINE_RUNTIME_PARCEL_H_
#define FAULTLINE_RUNTIME_PARCEL_H_

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "runtime/check.h"

namespace faultline {

class Parcel {
 public:
  static constexpr size_t kRoom = 56;  // bytes

  Parcel() = default;
  Parcel(Parcel&& other) noexcept { TakeOver(&other); }
  Parcel& operator=(Parcel&& other) noexcept {
    if (this != &other) {
      Clear();
      TakeOver(&other);
    }
    return *this;
  }
  ~Parcel() { Clear(); }

  template <typename T>
  static Parcel Of(T value) {
    static_assert(sizeof(T) <= kRoom && alignof(T) <= alignof(void*),
                  "too large for a parcel: send a std::unique_ptr to it");
    static_assert(std::is_nothrow_move_constructible_v<T>);
    Parcel parcel;
    new (parcel.room_) T(std::move(value));
    parcel.kind_ = &kKindOf<T>;
    return parcel;
  }

  bool empty() const { return kind_ == nullptr; }
  template <typename T>
  bool Holds() const {
    return kind_ == &kKindOf<T>;
  }
  // Empty afterwards.
  template <typename T>
  T Take() && {
    FAULTLINE_CHECK(Holds<T>()) << "the parcel holds something else";
    T value = std::move(*std::launder(reinterpret_cast<T*>(room_)));
    Clear();
    return value;
  }
  // Destroys what is inside.
  void Clear() {
    if (kind_ != nullptr) std::exchange(kind_, nullptr)->destroy(room_);
  }

 private:
  struct Kind {
    void (*move)(std::byte* from, std::byte* to);  // and destroys what is left
    void (*destroy)(std::byte* value);
  };

  template <typename T>
  static void Move(std::byte* from, std::byte* to) {
    T* value = std::launder(reinterpret_cast<T*>(from));
    new (to) T(std::move(*value));
    value->~T();
  }
  template <typename T>
  static void Destroy(std::byte* value) {
    std::launder(reinterpret_cast<T*>(value))->~T();
  }
  template <typename T>
  static constexpr Kind kKindOf{&Move<T>, &Destroy<T>};

  void TakeOver(Parcel* other) {
    kind_ = std::exchange(other->kind_, nullptr);
    if (kind_ != nullptr) kind_->move(other->room_, room_);
  }

  const Kind* kind_ = nullptr;
  alignas(void*) std::byte room_[kRoom];
};

static_assert(sizeof(Parcel) == 64);

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_PARCEL_H_
