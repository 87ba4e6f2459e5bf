// Goal: the intrusive list keeps order, and its nodes unlink themselves whichever dies first.
// Method: small lists by hand; then a long random history against a std::vector that is right by
// inspection.
#include "runtime/list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace faultline {
namespace {

struct Item : ListNode {
  explicit Item(int value) : value(value) {}
  int value;
};

std::vector<int> Values(List<Item>* list) {
  std::vector<int> values;
  for (Item* item = list->front(); item != nullptr; item = list->Next(item)) {
    values.push_back(item->value);
  }
  return values;
}

TEST(ListTest, IsFirstInFirstOut) {
  Item a(1), b(2), c(3);
  List<Item> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  list.PushBack(&a);
  list.PushBack(&b);
  list.PushBack(&c);
  EXPECT_FALSE(list.empty());
  EXPECT_EQ(Values(&list), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(list.PopFront(), &a);
  EXPECT_FALSE(a.linked());
  EXPECT_EQ(list.PopFront(), &b);
  EXPECT_EQ(list.PopFront(), &c);
  EXPECT_EQ(list.PopFront(), nullptr);
  EXPECT_TRUE(list.empty());
}

TEST(ListTest, NodesLeaveFromAnywhere) {
  Item a(1), b(2), c(3);
  List<Item> list;
  for (Item* item : {&a, &b, &c}) list.PushBack(item);
  b.Unlink();
  EXPECT_EQ(Values(&list), (std::vector<int>{1, 3}));
  b.Unlink();  // again: nothing happens
  a.Unlink();
  EXPECT_EQ(Values(&list), (std::vector<int>{3}));
  c.Unlink();
  EXPECT_TRUE(list.empty());
  list.PushBack(&b);
  EXPECT_EQ(Values(&list), (std::vector<int>{2}));
}

TEST(ListTest, ANodeThatDiesLeaves) {
  List<Item> list;
  Item first(1);
  list.PushBack(&first);
  {
    Item second(2);
    list.PushBack(&second);
  }
  EXPECT_EQ(Values(&list), (std::vector<int>{1}));
}

TEST(ListTest, AListThatDiesLetsGo) {
  Item a(1), b(2);
  {
    List<Item> list;
    list.PushBack(&a);
    list.PushBack(&b);
    EXPECT_TRUE(a.linked());
  }
  EXPECT_FALSE(a.linked());
  EXPECT_FALSE(b.linked());
}

TEST(ListDeathTest, ANodeIsInOneListAtATime) {
  Item a(1);
  List<Item> one, two;
  one.PushBack(&a);
  EXPECT_DEATH(two.PushBack(&a), "a node is in one list at a time");
}

TEST(ListTest, AgreesWithAVectorOverALongHistory) {
  uint64_t state = 1;
  auto draw = [&state](size_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((state >> 33) % bound);
  };
  std::vector<std::unique_ptr<Item>> items;
  for (int i = 0; i < 20; ++i) items.push_back(std::make_unique<Item>(i));
  List<Item> list;
  std::vector<int> model;
  for (int step = 0; step < 5000; ++step) {
    size_t which = draw(items.size());
    switch (draw(4)) {
      case 0:
      case 1:
        if (items[which]->linked()) break;
        list.PushBack(items[which].get());
        model.push_back(static_cast<int>(which));
        break;
      case 2:
        items[which] = std::make_unique<Item>(static_cast<int>(which));  // dies where it is
        std::erase(model, static_cast<int>(which));
        break;
      case 3: {
        Item* front = list.PopFront();
        ASSERT_EQ(front == nullptr, model.empty());
        if (front == nullptr) break;
        ASSERT_EQ(front->value, model.front());
        model.erase(model.begin());
      }
    }
    ASSERT_EQ(Values(&list), model);
  }
}

}  // namespace
}  // namespace faultline
