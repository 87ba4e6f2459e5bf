// An intrusive circular list whose nodes unlink themselves when they die.
//
// Everything that waits in this library (tasks, timers, stop callbacks) lives in a coroutine frame
// and may be destroyed with it at any suspension. A node that unlinks itself makes that safe.
//
// Invariants: a node is in at most one list; a list that is destroyed leaves its nodes unlinked; no
// operation allocates; each costs O(1).
#ifndef FAULTLINE_RUNTIME_LIST_H_
#define FAULTLINE_RUNTIME_LIST_H_

#include "runtime/check.h"
#include "runtime/fetch.h"

namespace faultline {

class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { Unlink(); }

  bool linked() const { return next_ != nullptr; }

  void Unlink() {
    if (next_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

  // A hint for the processor's caches: it will be unlinked soon.
  void FetchNeighbours() const {
    FetchLines(prev_, sizeof(ListNode));
    FetchLines(next_, sizeof(ListNode));
  }

 private:
  template <typename T>
  friend class List;

  ListNode* prev_ = nullptr;
  ListNode* next_ = nullptr;
};

// A list of `T`, which derives from `ListNode`. Does not own its nodes.
template <typename T>
class List {
 public:
  List() { head_.prev_ = head_.next_ = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    while (PopFront() != nullptr) {
    }
    head_.prev_ = head_.next_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  T* front() { return empty() ? nullptr : static_cast<T*>(head_.next_); }
  const T* front() const { return empty() ? nullptr : static_cast<const T*>(head_.next_); }

  // The node behind `node`, or null at the end.
  T* Next(T* node) {
    ListNode* next = static_cast<ListNode*>(node)->next_;
    return next == &head_ ? nullptr : static_cast<T*>(next);
  }

  void PushBack(T* item) {
    ListNode* node = item;
    FAULTLINE_CHECK(!node->linked()) << "a node is in one list at a time";
    node->prev_ = head_.prev_;
    node->next_ = &head_;
    head_.prev_->next_ = node;
    head_.prev_ = node;
  }

  // Removes and returns the first node; null when empty.
  T* PopFront() {
    if (empty()) return nullptr;
    T* item = static_cast<T*>(head_.next_);
    static_cast<ListNode*>(item)->Unlink();
    return item;
  }

 private:
  ListNode head_;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_LIST_H_
