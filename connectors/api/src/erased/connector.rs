//! Sources and sinks as objects.

use std::num::NonZeroU32;

use super::{BoxFuture, PluginRow, configured};
use crate::config::Properties;
use crate::context::TaskContext;
use crate::error::Error;
use crate::offset::{SourceOffset, SourcePartition};
use crate::sink::{Note, Partition, SinkBatch, SinkConnector, SinkTask};
use crate::source::{
    Altered, ExactlyOnce, SourceBatch, SourceConnector, SourceContext, SourceTask, TaskSpec,
};

/// [`SourceConnector`] as an object.
pub trait AnySourceConnector: Send + Sync {
    /// See [`SourceConnector::plan`].
    fn plan(&self, max_tasks: NonZeroU32) -> BoxFuture<'_, Result<Vec<TaskSpec>, Error>>;
    /// See [`SourceConnector::watch`].
    fn watch(&self) -> BoxFuture<'_, Result<(), Error>>;
    /// See [`SourceConnector::alter_offsets`].
    fn alter_offsets<'a>(
        &'a self,
        changes: &'a [(SourcePartition, Option<SourceOffset>)],
    ) -> BoxFuture<'a, Result<Altered, Error>>;
    /// See [`SourceConnector::start`].
    fn start(
        &self,
        context: SourceContext,
        spec: TaskSpec,
    ) -> BoxFuture<'_, Result<Box<dyn AnySourceTask>, Error>>;
}

impl<C: SourceConnector> AnySourceConnector for C {
    fn plan(&self, max_tasks: NonZeroU32) -> BoxFuture<'_, Result<Vec<TaskSpec>, Error>> {
        Box::pin(SourceConnector::plan(self, max_tasks))
    }

    fn watch(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(SourceConnector::watch(self))
    }

    fn alter_offsets<'a>(
        &'a self,
        changes: &'a [(SourcePartition, Option<SourceOffset>)],
    ) -> BoxFuture<'a, Result<Altered, Error>> {
        Box::pin(SourceConnector::alter_offsets(self, changes))
    }

    fn start(
        &self,
        context: SourceContext,
        spec: TaskSpec,
    ) -> BoxFuture<'_, Result<Box<dyn AnySourceTask>, Error>> {
        Box::pin(async move {
            let task = SourceConnector::start(self, context, spec).await?;
            Ok(Box::new(task) as Box<dyn AnySourceTask>)
        })
    }
}

/// [`SourceTask`] as an object.
pub trait AnySourceTask: Send {
    /// See [`SourceTask::poll`].
    fn poll(&mut self) -> BoxFuture<'_, Result<Option<SourceBatch>, Error>>;
    /// See [`SourceTask::committed`].
    fn committed(&mut self, partition: &SourcePartition, offset: &SourceOffset);
    /// See [`SourceTask::stop`].
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>>;
}

impl<T: SourceTask> AnySourceTask for T {
    fn poll(&mut self) -> BoxFuture<'_, Result<Option<SourceBatch>, Error>> {
        Box::pin(SourceTask::poll(self))
    }

    fn committed(&mut self, partition: &SourcePartition, offset: &SourceOffset) {
        SourceTask::committed(self, partition, offset);
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(SourceTask::stop(*self))
    }
}

/// [`SinkConnector`] as an object.
pub trait AnySinkConnector: Send + Sync {
    /// See [`SinkConnector::start`].
    fn start(&self, context: TaskContext) -> BoxFuture<'_, Result<Box<dyn AnySinkTask>, Error>>;
}

impl<C: SinkConnector> AnySinkConnector for C {
    fn start(&self, context: TaskContext) -> BoxFuture<'_, Result<Box<dyn AnySinkTask>, Error>> {
        Box::pin(async move {
            let task = SinkConnector::start(self, context).await?;
            Ok(Box::new(task) as Box<dyn AnySinkTask>)
        })
    }
}

/// [`SinkTask`] as an object.
pub trait AnySinkTask: Send {
    /// See [`SinkTask::assigned`].
    fn assigned<'a>(
        &'a mut self,
        partitions: &'a [(Partition, Option<Note>)],
    ) -> BoxFuture<'a, Result<(), Error>>;
    /// See [`SinkTask::put`].
    fn put(&mut self, batch: SinkBatch) -> BoxFuture<'_, Result<(), Error>>;
    /// See [`SinkTask::revoked`].
    fn revoked<'a>(&'a mut self, partitions: &'a [Partition]) -> BoxFuture<'a, Result<(), Error>>;
    /// See [`SinkTask::stop`].
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>>;
}

impl<T: SinkTask> AnySinkTask for T {
    fn assigned<'a>(
        &'a mut self,
        partitions: &'a [(Partition, Option<Note>)],
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(SinkTask::assigned(self, partitions))
    }

    fn put(&mut self, batch: SinkBatch) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(SinkTask::put(self, batch))
    }

    fn revoked<'a>(&'a mut self, partitions: &'a [Partition]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(SinkTask::revoked(self, partitions))
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(SinkTask::stop(*self))
    }
}

/// A source connector in the list of plugins.
#[derive(Clone, Copy)]
pub struct SourcePlugin {
    /// Names, keys, validation.
    pub row: PluginRow,
    /// The class under which Connect knows its tasks.
    pub task_class: &'static str,
    /// Whether the engine schedules it.
    pub scheduled: bool,
    /// What it says of exactly-once; `Unstated` when the configuration does not parse.
    pub exactly_once: fn(&Properties) -> ExactlyOnce,
    /// Opens it.
    pub open: fn(&Properties) -> Result<Box<dyn AnySourceConnector>, Error>,
}

impl SourcePlugin {
    /// The row of `C`.
    pub const fn of<C: SourceConnector>() -> Self {
        Self {
            row: PluginRow::of::<C>("Connector"),
            task_class: C::TASK_CLASS,
            scheduled: C::SCHEDULED,
            exactly_once: |properties| match configured::<C>(properties) {
                Ok(config) => C::exactly_once(&config),
                Err(_) => ExactlyOnce::Unstated,
            },
            open: |properties| Ok(Box::new(C::open(configured::<C>(properties)?)?)),
        }
    }
}

/// A sink connector in the list of plugins.
#[derive(Clone, Copy)]
pub struct SinkPlugin {
    /// Names, keys, validation.
    pub row: PluginRow,
    /// The class under which Connect knows its tasks.
    pub task_class: &'static str,
    /// Opens it.
    pub open: fn(&Properties) -> Result<Box<dyn AnySinkConnector>, Error>,
}

impl SinkPlugin {
    /// The row of `C`.
    pub const fn of<C: SinkConnector>() -> Self {
        Self {
            row: PluginRow::of::<C>("Connector"),
            task_class: C::TASK_CLASS,
            open: |properties| Ok(Box::new(C::open(configured::<C>(properties)?)?)),
        }
    }
}
